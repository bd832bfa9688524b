"""All that a session knows. It can be copied (`copy.deepcopy`) and compared."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from rejoinder.core import effects as ef
from rejoinder.core.conversation import Conversation
from rejoinder.core.correlation import Correlation
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.input_audio import InputAudio
from rejoinder.core.lifecycle import Trigger
from rejoinder.core.outbox import Outbox
from rejoinder.core.outcomes import Close
from rejoinder.core.requests import Requests
from rejoinder.core.responses import Responses
from rejoinder.core.verdict import Facts
from rejoinder.wire.server_events import ServerEvent
from rejoinder.wire.session import SessionConfig


class SessionState(msgspec.Struct):
    """The rooms of one session. ``recent``: the last events by id. ``ended``: how it ended, if it has."""

    config: SessionConfig | None
    responses: Responses
    correlation: Correlation
    requests: Requests
    outbox: Outbox
    conversation: Conversation = msgspec.field(default_factory=Conversation)
    input_audio: InputAudio = msgspec.field(default_factory=InputAudio)
    recent: dict[str, ServerEvent | None] = {}
    ended: Close | None = None

    @property
    def online(self) -> bool:
        """Whether something can be put on the wire."""
        return self.responses.offline_since is None

    def end(self, now: float, close: Close) -> Iterator[ef.Effect]:
        """The session is over: everything that waits is told so, then everybody."""
        if self.ended is not None:
            return
        self.ended = close
        facts = Facts(close=close)
        yield from self.responses.each(now, Trigger.LOST, facts)
        yield from self.responses.each(now, Trigger.CLOSED, facts)
        yield from self.requests.end(close)
        self.responses.reach(now, False)
        yield ef.Announce(ef.Ended(close))
        yield ef.Hangup()


def begin(config: SessionConfig | None, timeouts: Timeouts, keep_audio_bytes: int) -> SessionState:
    """A session that has not connected yet."""
    responses = Responses(timeouts)
    return SessionState(
        config,
        responses,
        Correlation(responses),
        Requests(timeouts.edit),
        Outbox(keep_audio_bytes),
    )
