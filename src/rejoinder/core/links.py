"""The links of a session: which connection serves, which one is coming, which one is leaving."""

from __future__ import annotations

import msgspec

from rejoinder.core.inputs import FIRST_LINK
from rejoinder.core.restoration import Restoration
from rejoinder.wire.server_events import ServerEvent


class Link(msgspec.Struct):
    """One connection.

    ``greeted``: its server has said something that is no error. ``opened_at``: the moment when it was open,
    and ``epoch``: the date then, 0 if unknown. ``expires_at``: the moment when its server will end it, None
    if unknown. ``unheard``: the keys of the requests that went out since something last came. ``recent``:
    the last events by id, of large ones a hash. ``restoration``: what its server has been told of the
    conversation.
    """

    number: int = FIRST_LINK
    greeted: bool = False
    opened_at: float = 0.0
    unheard: list[str] = []
    epoch: float = 0.0
    expires_at: float | None = None
    recent: dict[str, ServerEvent | int | None] = {}
    restoration: Restoration = msgspec.field(default_factory=Restoration)

    @property
    def name(self) -> str:
        """What the event ids of that begin with which this link's server is told."""
        return f"rejoinder_restore.{self.number}"


class Links(msgspec.Struct):
    """``serving``: takes whatever is asked for; None: there is no connection. ``coming``: dialled, or being
    told the conversation. ``leaving``: replaced, but it finishes what it began. ``moving``: the old server
    has been told to forget what it heard last, and the new one will hear that. ``latest``: the last number
    that was given out. ``renewed``: the old link is gone, but the new server has yet to confirm the last of
    what it was told. ``renewals``: attempts in a row to renew that failed.
    """

    serving: Link | None = None
    coming: Link | None = msgspec.field(default_factory=Link)
    leaving: Link | None = None
    moving: bool = False
    renewed: bool = False
    latest: int = FIRST_LINK
    renewals: int = 0

    @property
    def tells_on(self) -> bool:
        """Whether the serving server may still lack something that it has to be told."""
        return self.leaving is not None or self.renewed

    def of(self, number: int) -> Link | None:
        """The link of this number, unless it is gone."""
        return next((link for link in self.all() if link.number == number), None)

    def all(self) -> list[Link]:
        """Those that are there."""
        present = (self.serving, self.coming, self.leaving)
        return [link for link in present if link is not None]

    def next(self) -> Link:
        """A link that is about to be dialled."""
        self.latest += 1
        self.coming = Link(self.latest)
        return self.coming

    def gone(self, link: Link) -> None:
        """A link is there no more."""
        self.serving = None if self.serving is link else self.serving
        self.coming = None if self.coming is link else self.coming
        self.leaving = None if self.leaving is link else self.leaving
