"""All that a session knows. It can be copied (`copy.deepcopy`) and compared."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from rejoinder.core import effects as ef
from rejoinder.core.conversation import Conversation
from rejoinder.core.correlation import Correlation
from rejoinder.core.deadlines import Deadlines, Timeouts
from rejoinder.core.input_audio import InputAudio
from rejoinder.core.inputs import FIRST_LINK
from rejoinder.core.kept_audio import KeptAudio
from rejoinder.core.lifecycle import Trigger
from rejoinder.core.links import Link, Links
from rejoinder.core.outbox import Outbox
from rejoinder.core.outcomes import Close
from rejoinder.core.recovery import Outage, Recovery
from rejoinder.core.requests import OWN, Requests
from rejoinder.core.responses import Responses
from rejoinder.core.verdict import Facts
from rejoinder.wire.response import ResponseParams
from rejoinder.wire.session import SessionConfig

_AS_THE_SESSION_SAYS = ResponseParams()


class SessionState(msgspec.Struct):
    """The rooms of one session. ``config``: as far as nobody has refused it. ``deadlines``: those of the
    connection. ``ended``: how the session ended, if it has."""

    config: SessionConfig | None
    responses: Responses
    correlation: Correlation
    requests: Requests
    kept_audio: KeptAudio
    outage: Outage
    outbox: Outbox = msgspec.field(default_factory=Outbox)
    conversation: Conversation = msgspec.field(default_factory=Conversation)
    input_audio: InputAudio = msgspec.field(default_factory=InputAudio)
    links: Links = msgspec.field(default_factory=Links)
    deadlines: Deadlines = msgspec.field(default_factory=Deadlines)
    ended: Close | None = None

    @property
    def online(self) -> bool:
        """Whether something can be put on the wire. Not while the input goes over: it would reach neither
        server, or the wrong one."""
        return self.links.serving is not None and not self.links.moving

    @property
    def serving(self) -> int:
        """The number of the link that takes what is asked for; 0 without one."""
        return self.links.serving.number if self.links.serving is not None else 0

    @property
    def heard(self) -> Link:
        """The link on which something is told; what is asked of one that is gone, concerns nobody."""
        return self.links.of(self.requests.hearing) or Link(0)

    @property
    def timeouts(self) -> Timeouts:
        """Every clock."""
        return self.responses.timeouts

    @property
    def usual_response(self) -> ResponseParams:
        """What a response that is asked for says unless told otherwise. To a server that was told the
        conversation, in which all that was spoken stands as text, it says that this is to be spoken:
        else it may well be answered in text (livekit/agents#2694)."""
        serving = self.links.serving
        if self.config is None or serving is None or serving.number == FIRST_LINK:
            return _AS_THE_SESSION_SAYS
        return ResponseParams(output_modalities=self.config.output_modalities)

    def hear(self, link: int) -> None:
        """From now on it is this link that tells something."""
        self.responses.hearing = self.requests.hearing = link

    def end(self, now: float, close: Close) -> Iterator[ef.Effect]:
        """The session is over: everything that waits is told so, then everybody."""
        if self.ended is not None:
            return
        self.ended = close
        facts = Facts(close=close)
        yield from self.responses.each(now, Trigger.CLOSED, facts)
        for answer in self.requests.end(close):
            if answer.key not in OWN:
                yield ef.SettleEdit(answer.key, answer.result)
        self.responses.reach(now, False)
        self.deadlines = Deadlines()
        yield ef.Announce(ef.Ended(close))
        for link in self.links.all():
            yield ef.Hangup(link.number)


def begin(config: SessionConfig | None, timeouts: Timeouts, recovery: Recovery) -> SessionState:
    """A session that has not connected yet."""
    responses, kept_audio = Responses(timeouts), KeptAudio(int(recovery.keep_audio * 1000))
    if config is not None:
        kept_audio.configured(config)
    return SessionState(
        config,
        responses,
        Correlation(responses),
        Requests(timeouts.edit),
        kept_audio,
        Outage(recovery),
    )
