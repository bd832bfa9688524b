"""A server that a test speaks for, line by line, and a session of ours before it, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web
from livekit.agents import llm

from rejoinder.core.outcomes import Close
from rejoinder.livekit import RealtimeModel, RealtimeSession
from tests.client.peer import CREATED, Speaker
from tests.client.sockets import http_server
from tests.livekit.talk import OurSide, first


class SocketEnd:
    """The server's end of a WebSocket, as a `Speaker` needs it."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket

    async def send(self, data: bytes | str) -> None:
        """Sends a text frame."""
        await self.socket.send_str(data if isinstance(data, str) else data.decode())

    async def receive(self) -> str | bytes | Close:
        """The client's next frame, or how it ended."""
        message = await self.socket.receive()
        if message.type is WSMsgType.TEXT:
            return str(message.data)
        return Close("client", self.socket.close_code)


class Face(OurSide):
    """Our side of a conversation with ``peer``, for whom the test speaks. ``line``: the peer's side of
    the connection, which may be made to stop reading."""

    def __init__(
        self, session: RealtimeSession, socket: web.WebSocketResponse, line: asyncio.Transport
    ) -> None:
        super().__init__(session)
        self.peer = Speaker(SocketEnd(socket))
        self.line = line

    async def words(self, response_id: str, words: str, item_id: str = "i1") -> None:
        """The server speaks: a stretch of a transcript."""
        name = "response.output_audio_transcript.delta"
        await self.peer.part(name, response_id, item_id, delta=words)

    async def begun(self, response_id: str, **members: Any) -> llm.GenerationCreatedEvent:
        """The server begins a response by itself; the event with which it surfaces."""
        surfaced = first(
            self.session, "generation_created", lambda event: event.response_id == response_id
        )
        await self.peer.created(response_id, **members)
        event: llm.GenerationCreatedEvent = await surfaced
        return event

    async def whole(self, response_id: str, words: str, **members: Any) -> None:
        """The server speaks a whole answer of one item and ends it."""
        await self.words(response_id, words, f"i_{response_id}")
        await self.peer.done(response_id, **members)

    async def next_reply_works(self) -> bool:
        """Asks once more, and has it answered."""
        asking = asyncio.ensure_future(self.reply())
        await self.peer.begin("r_next")
        await self.whole("r_next", "Fine.")
        return (await asking).text == "Fine."


@asynccontextmanager
async def face_to_face(*, greet: bool = True, **options: Any) -> AsyncIterator[Face]:
    """A session, and the peer before it, which has greeted it unless told otherwise."""
    arrived: asyncio.Future[tuple[web.WebSocketResponse, asyncio.Transport]]
    arrived, over = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoclose=False, timeout=0.1)
        await socket.prepare(request)
        if request.transport is not None:
            arrived.set_result((socket, request.transport))
        await over.wait()
        return socket

    async with http_server(answer) as url:
        session = RealtimeModel(base_url=url, api_key="any", **options).session()
        face = Face(session, *await arrived)
        try:
            if greet:
                await face.peer.say(**CREATED)
            yield face
        finally:
            await session.aclose()
            over.set()
