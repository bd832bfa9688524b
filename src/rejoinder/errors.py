"""Everything that Rejoinder raises, in one tree.

::

    RejoinderError
    +-- ConfigurationError (also ValueError)   an option cannot be used; names the option and the remedy
    +-- SessionClosed                          the session has ended; the call did nothing
    +-- ConnectError                           no usable session: handshake refused, or refused just after it
    +-- EditError                              an edit of the conversation or of the session did not happen
    |   +-- EditRefused                        the server said no, and why
    |   +-- EditExpired                        nobody acknowledged it in time; it may have happened
    |   +-- EditLost                           the connection ended before it was acknowledged
    +-- OutcomeError                           a response ended otherwise than completed
        +-- ResponseIncompleteError            cut short by the server: token limit, content filter
        +-- ResponseCancelledError             cancelled by us or by the user's speech
        +-- ResponseFailedError                the server declared it failed
        +-- ResponseRejectedError              the server refused to begin it
        +-- ResponseTimeoutError (also TimeoutError)   a clock ran out
        +-- ResponseLostError                  the connection or the session ended under it

Messages carry the peer's own words. No message, attribute or repr ever holds a key or a token.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "ConfigurationError",
    "ConnectError",
    "EditError",
    "EditExpired",
    "EditLost",
    "EditRefused",
    "OutcomeError",
    "RejoinderError",
    "ResponseCancelledError",
    "ResponseFailedError",
    "ResponseIncompleteError",
    "ResponseLostError",
    "ResponseRejectedError",
    "ResponseTimeoutError",
    "SessionClosed",
]


class RejoinderError(Exception):
    """Base of every exception of this library.

    ``code`` is the peer's machine-readable code where it gave one, else our own word for the
    cause, else None.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class ConfigurationError(RejoinderError, ValueError):
    """An option cannot be used as given. Nothing was sent, nothing was changed."""


class SessionClosed(RejoinderError):
    """The session has ended, by `aclose` or by the server. The call that raised this did nothing."""


class ConnectError(RejoinderError):
    """The server could not be reached, or refused us.

    ``status`` is the HTTP status of a refused upgrade (or None), ``retry_after`` how many seconds from
    then on its ``Retry-After`` asks to wait (or None), ``close_code`` the code of a WebSocket close that
    came before any event other than an error (or None).
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        close_code: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.retry_after = retry_after
        self.close_code = close_code


class EditError(RejoinderError):
    """An edit (`create_item`, `delete_item`, `truncate_item`, `update`, ...) was not acknowledged."""


class EditRefused(EditError):
    """The server refused the edit; nothing of it took effect."""


class EditExpired(EditError):
    """No answer within the edit clock. The server may have carried the edit out all the same."""


class EditLost(EditError):
    """The connection or the session ended before the answer came."""


class OutcomeError(RejoinderError):
    """A response ended otherwise than completed.

    ``outcome`` is the typed outcome itself (`rejoinder.core.outcomes`): the response's id, what was
    delivered before the end, the cause, and whether asking again makes sense.
    """

    def __init__(self, message: str, *, outcome: Any, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.outcome = outcome


class ResponseIncompleteError(OutcomeError):
    """The server stopped the response early (token limit, content filter)."""


class ResponseCancelledError(OutcomeError):
    """The response was cancelled, by the caller or by the user's speech."""


class ResponseFailedError(OutcomeError):
    """The server declared the response failed."""


class ResponseRejectedError(OutcomeError):
    """The server refused the request; no response ever existed."""


class ResponseTimeoutError(OutcomeError, TimeoutError):
    """One of the clocks in `Timeouts` ran out; the response was cancelled by id on the server."""


class ResponseLostError(OutcomeError):
    """The connection or the session ended before the response did."""
