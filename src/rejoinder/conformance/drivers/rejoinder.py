"""`rejoinder.connect`, as the README shows it."""

from __future__ import annotations

from contextlib import AsyncExitStack

import rejoinder
from rejoinder.conformance.driver import (
    ABILITIES,
    COMPLETE,
    CUT,
    ERROR,
    TOOL,
    TOOL_OUTPUT,
    Heard,
)

_CUTS = rejoinder.Cancelled | rejoinder.Incomplete
_SESSION = rejoinder.SessionConfig(
    tools=[
        {
            "type": "function",
            "name": TOOL,
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        }
    ],
)


class Driver:
    """One session of `rejoinder.connect`."""

    can = ABILITIES

    def __init__(self, url: str) -> None:
        self._url = url
        self._stack = AsyncExitStack()
        self._session: rejoinder.Session

    async def open(self) -> None:
        connecting = rejoinder.connect(base_url=self._url, api_key="any", session=_SESSION)
        self._session = await self._stack.enter_async_context(connecting)

    async def ask(self, question: str) -> Heard:
        return await _heard(self._session.create_response(instructions=question))

    async def speak(self, samples: bytes) -> Heard:
        self._session.append_audio(samples)
        async for response in self._session.responses():
            return await _heard(response)
        return Heard(end=ERROR, why=f"the session has ended: {self._session.ended}")

    async def use_tool(self, question: str) -> Heard:
        response = self._session.create_response(instructions=question)
        first = await _heard(response)
        outcome = await response.outcome()
        if not outcome.ok or not outcome.delivered.function_calls:
            return first
        for call in outcome.delivered.function_calls:
            await self._session.create_item(
                rejoinder.Item(
                    type="function_call_output", call_id=call.call_id, output=TOOL_OUTPUT
                )
            )
        return await _heard(self._session.create_response())

    async def cut(self, question: str) -> Heard:
        response = self._session.create_response(instructions=question)
        return await _heard(response, cut=True)

    async def instruct(self, instructions: str) -> None:
        await self._session.update(rejoinder.SessionConfig(instructions=instructions))

    async def close(self) -> None:
        await self._stack.aclose()


async def _heard(response: rejoinder.Response, *, cut: bool = False) -> Heard:
    try:
        async for part in response:
            if cut and isinstance(part, rejoinder.Audio):
                response.cancel()
    except rejoinder.OutcomeError as error:
        outcome = error.outcome
        end = CUT if isinstance(outcome, _CUTS) else ERROR
        return Heard(outcome.delivered.text, outcome.delivered.audio_seconds, end, str(error))
    told = (await response.outcome()).delivered
    return Heard(told.text, told.audio_seconds, COMPLETE)
