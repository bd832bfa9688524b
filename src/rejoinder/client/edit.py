"""`Edit`: a change of the conversation or of the session, from the asking to its one result."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any, assert_never

from rejoinder.core.effects import Acknowledged, EditResult, Expired, Gone, Refused
from rejoinder.errors import EditError, EditExpired, EditLost, EditRefused

__all__ = ["Edit"]


class Edit:
    """An edit under way. Awaiting it is optional: it is sent whether or not anybody waits.

    ``await edit`` returns `Acknowledged` when the server has done it, and raises `EditRefused` (the
    server's own words), `EditExpired` (no answer within ``timeouts.edit`` seconds; it may have
    happened) or `EditLost` (the session ended first). It always returns or raises. Cancelling the
    await changes nothing; it can be awaited again, by any number of tasks.

    A refusal or an expiry that nobody has awaited by then is logged as a warning.
    """

    def __init__(self, key: str, item_id: str | None = None) -> None:
        self.key = key
        """Its event id on the wire."""
        self.item_id = item_id
        """The item that it creates or changes; None for those of the session and the input buffer."""
        self.awaited = False
        """Whether anybody has asked for the result."""
        self._settled: asyncio.Future[EditResult] = asyncio.get_running_loop().create_future()

    def settle(self, result: EditResult) -> None:
        """The result is here. Called by the shell, once."""
        self._settled.set_result(result)

    @property
    def result(self) -> EditResult | None:
        """The result, or None while there is none."""
        return self._settled.result() if self._settled.done() else None

    def __await__(self) -> Generator[Any, None, Acknowledged]:
        return self._wait().__await__()

    async def _wait(self) -> Acknowledged:
        self.awaited = True
        result = await asyncio.shield(self._settled)
        if isinstance(result, Acknowledged):
            return result
        raise failure(result)

    def __repr__(self) -> str:
        state = type(self.result).__name__ if self.result is not None else "pending"
        return f"<Edit {self.key} {state}>"


def failure(result: Refused | Expired | Gone) -> EditError:
    """The exception for a result other than `Acknowledged`."""
    match result:
        case Refused(error):
            words = error.message or error.code or "the server refused the edit without a reason"
            return EditRefused(words, code=error.code or error.type)
        case Expired(after):
            return EditExpired(f"the server did not answer the edit within {after:g} s")
        case Gone(close):
            told = close.error.message if close.error else None
            return EditLost(told or close.reason or f"the session was ended by the {close.by}")
        case _:
            assert_never(result)
