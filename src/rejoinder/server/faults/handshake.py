"""Faults of the handshake: what goes wrong between a client's connect and the first event.

A `HandshakeFault` is data: steps for the shell to take, one after the other. A `Door` counts the
connections. Statuses, bodies and codes are those of captures and field reports.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from rejoinder.errors import ConfigurationError
from rejoinder.server.effects import Effect, Hangup, StopWriting
from rejoinder.server.faults.fault import Fault
from rejoinder.server.handshake import Turned
from rejoinder.wire.response import ErrorBody


class Wait(msgspec.Struct, frozen=True):
    """Nothing happens for so many seconds."""

    seconds: float


class Say(msgspec.Struct, frozen=True):
    """Bytes go out as they are."""

    data: bytes


class Respond(msgspec.Struct, frozen=True):
    """The upgrade is refused by HTTP. ``body`` is JSON, or else plain text."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


class TurnAway(msgspec.Struct, frozen=True):
    """The upgrade is answered, and the client refused inside."""

    verdict: Turned


class Admit(msgspec.Struct, frozen=True):
    """The client is let in; ``before`` is done before the first event, ``after`` right behind it."""

    before: tuple[Effect, ...] = ()
    after: tuple[Effect, ...] = ()


class Hang(msgspec.Struct, frozen=True):
    """Nothing happens until the client gives up."""


class TearDown(msgspec.Struct, frozen=True):
    """The connection ends: with a TCP reset, or in peace."""

    reset: bool = True


Step: TypeAlias = Wait | Say | Respond | TurnAway | Admit | Hang | TearDown
"""What happens to a connection. After `Wait` and `Say` comes the next step; the others are the last."""


class HandshakeFault(msgspec.Struct, frozen=True):
    """One thing that goes wrong with a connection before it is one.

    ``connection``: it happens to the n-th one from arming; 0 is every one. ``says``: what it does, in
    one line.
    """

    name: str
    steps: tuple[Step, ...]
    connection: int = 1
    says: str = ""

    def for_connection(self, number: int) -> HandshakeFault:
        """The same, for the n-th connection from arming (0: for all)."""
        return msgspec.structs.replace(self, connection=number)


AnyFault: TypeAlias = Fault | HandshakeFault


class Door:
    """Counts the connections and tells what goes wrong with each."""

    def __init__(self) -> None:
        self._armed: list[HandshakeFault] = []
        self._seen: list[int] = []

    def arm(self, fault: HandshakeFault) -> None:
        """The fault counts from here on."""
        self._armed.append(fault)
        self._seen.append(0)

    def knock(self) -> list[HandshakeFault]:
        """A client connects: every fault meant for it, in the order of arming."""
        self._seen = [count + 1 for count in self._seen]
        armed = zip(self._armed, self._seen, strict=True)
        return [fault for fault, count in armed if fault.connection in (0, count)]


# -- the upgrade itself --

_UPGRADE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
    b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
)
"""With the answer to a question that no client asked."""

_HALF = _UPGRADE[: len(_UPGRADE) // 2]
_GARBAGE = b"\x15\x03\x01 220 mail.example ready\x00\xff\r\n"

UPGRADES: dict[str, tuple[str, tuple[Step, ...]]] = {
    "handshake-hangs": ("the request is read and never answered", (Hang(),)),
    "handshake-half": ("half of the answer, then silence", (Say(_HALF), Hang())),
    "handshake-cut": ("half of the answer, then a TCP reset", (Say(_HALF), TearDown())),
    "handshake-refused": ("a TCP reset before a byte of an answer", (TearDown(),)),
    "handshake-garbage": (
        "an answer that is not HTTP, then the end of the connection",
        (Say(_GARBAGE), TearDown(reset=False)),
    ),
    "handshake-wrong-accept": (
        "101 with a wrong Sec-WebSocket-Accept, then silence",
        (Say(_UPGRADE), Hang()),
    ),
    "handshake-slow": ("the upgrade is answered 3 s late", (Wait(3.0),)),
    "opens-then-closes": (
        "session.created, then close 1011 at once",
        (Admit(after=(Hangup(1011, "The server had an error."),)),),
    ),
    "opens-silent": ("the upgrade, then not a word", (Admit(before=(StopWriting(),)),)),
}


def slow(name: str, seconds: float) -> HandshakeFault:
    """The answer comes so much later."""
    says = f"the upgrade is answered {seconds:g} s late"
    return HandshakeFault(name, (Wait(seconds),), says=says)


# -- refused by HTTP --

_BODIES = {
    400: '{"error":{"code":"OpperationNotSupported","message":"The operation does not work with the'
    ' specified model."}}',
    404: '{"error":{"code":"DeploymentNotFound","message":"The deployment for this resource does not'
    ' exist."}}',
}
_LATER = (("Retry-After", "1"),)


def refused_by_http(name: str, status: int) -> HandshakeFault:
    """The upgrade is refused with this status, and a body where one has been seen.

    Raises `ConfigurationError` for a status that is no refusal.
    """
    if not 400 <= status <= 599:
        raise ConfigurationError(f"{name}: no server refuses with {status}; say 400 to 599")
    headers = _LATER if status in (429, 503) else ()
    step = Respond(status, headers, _BODIES.get(status, ""))
    return HandshakeFault(name, (step,), says=f"the upgrade is refused with HTTP {status}")


# -- refused after the upgrade --

_INVALID = "invalid_request_error"
_QUOTA = "insufficient_quota"
_REFUSALS: dict[str, tuple[str, int, str]] = {
    "invalid_api_key": (_INVALID, 3000, "Incorrect API key provided."),
    "missing_key": (_INVALID, 3000, "Missing bearer or basic authentication in header"),
    "invalid_model": (_INVALID, 4000, "The model is not supported in realtime mode."),
    "missing_model": (_INVALID, 4000, "You must provide a model parameter."),
    "beta_api_shape_disabled": (_INVALID, 4000, "The older shape of the API is switched off."),
    "invalid_intent": (_INVALID, 4000, "Invalid intent."),
    "model_not_found": (_INVALID, 4004, "The model does not exist or you have no access to it."),
    "insufficient_quota": (_QUOTA, 1013, "You exceeded your current quota."),
    "credit_balance_exhausted": (_QUOTA, 1013, "Your credit balance is used up."),
}


def refusals() -> dict[str, tuple[str, tuple[Step, ...]]]:
    """Every way to be turned away inside: the line that says what it does, and its step."""
    return {f"turned-away-{name}": _refusal(name) for name in _REFUSALS}


def _refusal(name: str) -> tuple[str, tuple[Step, ...]]:
    kind, close_code, message = _REFUSALS[name]
    code = None if name == "missing_key" else name  # this one comes without a code
    verdict = Turned(ErrorBody(type=kind, code=code, message=message), close_code)
    return (
        f"the upgrade, then error {code or 'without a code'} and close {close_code}",
        (TurnAway(verdict),),
    )
