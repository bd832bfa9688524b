"""A deployment of Azure's preview, which speaks the beta protocol: as strict as the real one, over a
real socket, and always ready to answer."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from aiohttp import WSMsgType, web
from openai.types.beta.realtime.response_create_event import Response as BetaResponse
from openai.types.beta.realtime.session_update_event import Session as BetaSession

from rejoinder.server.audio import tone
from tests.client.sockets import http_server

ANSWER = ["Good morning, ", "and welcome."]
SECONDS = 0.4
VERSION = "2024-10-01-preview"

_SESSION = {*BetaSession.model_fields}
_RESPONSE = {*BetaResponse.model_fields} - {"response_id"}


class Deployment:
    """``paths`` and ``headers``: of each upgrade. ``heard``: every client event, in order."""

    def __init__(self) -> None:
        self.url = ""
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.heard: list[dict[str, Any]] = []
        self._count = 0

    def said(self, type: str) -> list[dict[str, Any]]:
        """The client events of a type."""
        return [event for event in self.heard if event["type"] == type]

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """What each `session.update` said."""
        return [event["session"] for event in self.said("session.update")]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Takes a client in and serves it until it leaves."""
        self.paths.append(request.path_qs)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        session: dict[str, Any] = {"id": "sess", "modalities": ["audio", "text"]}
        await self._say(socket, "session.created", session=session)
        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                event = msgspec.json.decode(frame.data)
                self.heard.append(event)
                await self._serve(socket, session, event)
        return socket

    async def _serve(
        self, socket: web.WebSocketResponse, session: dict[str, Any], event: dict[str, Any]
    ) -> None:
        match event["type"]:
            case "session.update":
                if await self._known(socket, event, "session", _SESSION):
                    session.update(event["session"])
                    await self._say(socket, "session.updated", session=session)
            case "conversation.item.create":
                await self._item(socket, event)
            case "conversation.item.delete":
                await self._say(socket, "conversation.item.deleted", item_id=event["item_id"])
            case "response.create":
                if await self._known(socket, event, "response", _RESPONSE):
                    await self._respond(socket, {**session, **event.get("response", {})})
            case _:
                pass  # audio, and what a test looks up by itself

    async def _known(
        self, socket: web.WebSocketResponse, event: dict[str, Any], body: str, members: set[str]
    ) -> bool:
        alien = sorted(set(event.get(body, {})) - members)
        if alien or event.get(body, {}).get("modalities") == ["audio"]:
            param = f"{body}.{alien[0]}" if alien else f"{body}.modalities"
            await self._refuse(socket, event, param)
            return False
        return True

    async def _item(self, socket: web.WebSocketResponse, event: dict[str, Any]) -> None:
        parts = [part["type"] for part in event["item"].get("content", [])]
        if "output_text" in parts:
            await self._refuse(socket, event, "item.content[0].type")
            return
        item = {"object": "realtime.item", "status": "completed", **event["item"]}
        previous = event.get("previous_item_id")
        await self._say(socket, "conversation.item.created", item=item, previous_item_id=previous)

    async def _refuse(self, socket: web.WebSocketResponse, event: dict[str, Any], at: str) -> None:
        error: dict[str, Any] = {
            "type": "invalid_request_error",
            "code": "unknown_parameter",
            "param": at,
        }
        words = f"Unknown parameter: '{at}'."
        error |= {"message": words, "event_id": event.get("event_id")}
        await self._say(socket, "error", error=error)

    async def _respond(self, socket: web.WebSocketResponse, wanted: dict[str, Any]) -> None:
        self._count += 1
        response: dict[str, Any] = {
            "id": f"resp_{self._count}",
            "object": "realtime.response",
            "conversation_id": "conv",
            "metadata": wanted.get("metadata"),
        }
        item = {"id": f"item_{self._count}", "type": "message", "role": "assistant"}
        await self._say(socket, "response.created", response={**response, "status": "in_progress"})
        await self._output(socket, response["id"], item, "audio" in wanted["modalities"])
        done = {**response, "status": "completed", "output": [{**item, "status": "completed"}]}
        await self._say(socket, "response.done", response=done)

    async def _output(
        self, socket: web.WebSocketResponse, response_id: str, item: dict[str, Any], audio: bool
    ) -> None:
        of = {"response_id": response_id, "output_index": 0}
        kind = "audio" if audio else "text"
        words = "audio_transcript" if audio else "text"
        place = {**of, "item_id": item["id"], "content_index": 0}
        await self._say(socket, "response.output_item.added", **of, item=item)
        await self._say(socket, "conversation.item.created", item=item, previous_item_id=None)
        await self._say(socket, "response.content_part.added", **place, part={"type": kind})
        for delta in ANSWER:
            await self._say(socket, f"response.{words}.delta", **place, delta=delta)
        whole = {"transcript" if audio else "text": "".join(ANSWER)}
        if audio:
            sound = base64.b64encode(tone(SECONDS)).decode()
            await self._say(socket, "response.audio.delta", **place, delta=sound)
            await self._say(socket, "response.audio.done", **place)
        await self._say(socket, f"response.{words}.done", **place, **whole)
        part = {"type": kind, **whole}
        await self._say(socket, "response.content_part.done", **place, part=part)
        full = {**item, "status": "completed", "content": [part]}
        await self._say(socket, "response.output_item.done", **of, item=full)

    async def _say(self, socket: web.WebSocketResponse, type: str, **members: Any) -> None:
        self._count += 1
        event = {"type": type, "event_id": f"event_{self._count}", **members}
        await socket.send_str(msgspec.json.encode(event).decode())


@contextlib.asynccontextmanager
async def deployed() -> AsyncIterator[Deployment]:
    """A deployment on loopback; its ``url`` is the endpoint, without any path."""
    deployment = Deployment()
    async with http_server(deployment.answer) as url:
        deployment.url = url.removesuffix("/v1").replace("ws://", "http://")
        yield deployment
