"""How a connection ended, or why there was none, and what is raised for it."""

from __future__ import annotations

import msgspec

from rejoinder.core.outcomes import Close
from rejoinder.errors import ConnectError, RejoinderError, SessionClosed
from rejoinder.wire.response import ErrorBody

__all__ = ["Ending", "closed"]


class Ending(msgspec.Struct):
    """What is known of it: each member as soon as it is known, else None.

    ``failure``: why there is no connection. ``refusal``: the error with which the server began. ``close``:
    how it was lost. ``parting``: the peer's close frame, if it answered ours.
    """

    failure: RejoinderError | None = None
    refusal: ErrorBody | None = None
    close: Close | None = None
    parting: Close | None = None

    @property
    def told(self) -> bool:
        """Whether it ended otherwise than by us."""
        return (self.failure, self.refusal, self.close) != (None, None, None)

    @property
    def status(self) -> int | None:
        """The HTTP status of a refused upgrade."""
        return self.failure.status if isinstance(self.failure, ConnectError) else None

    @property
    def retry_after(self) -> float | None:
        """How many seconds a refused upgrade asks to wait."""
        return self.failure.retry_after if isinstance(self.failure, ConnectError) else None

    def error(self, ended: Close | None) -> RejoinderError:
        """Why there was never a usable session, in the server's own words where it had any. ``ended``: how
        the session ended, which counts where the connection was not lost."""
        if self.failure is not None and self.refusal is None:
            return self.failure
        close = self.close or ended or Close("network")
        error = self.refusal or close.error or ErrorBody()
        code = close.code or (self.parting.code if self.parting else None)
        words = error.message or close.reason or "the server closed the connection at once"
        return ConnectError(
            f"the server refused the session: {words}",
            code=error.code or error.type or "connection_closed",
            close_code=code,
        )


def closed(close: Close) -> SessionClosed:
    """The error of whoever calls a session that has ended so."""
    told = close.error.message if close.error else None
    words = told or close.reason or f"it was closed by the {close.by}"
    return SessionClosed(
        f"the session has ended: {words}", code=close.error.code if close.error else None
    )
