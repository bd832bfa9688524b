"""A session whose connection is being replaced, at the moments that the tests of it begin with."""

from __future__ import annotations

from rejoinder.core.recovery import Recovery
from rejoinder.wire.session import SessionConfig
from tests.core.servers import Net

SOON = Recovery(renew_after=100.0)
EPOCH = 1_700_000_000.0


def sound(mark: int, seconds: float = 1.0) -> bytes:
    return bytes([mark]) * int(48_000 * seconds)


def renewing(**more: object) -> Net:
    """A little conversation, and a second link that is dialled."""
    net = Net(recovery=SOON, config=SessionConfig(instructions="Be kind."))
    net.tells(1, {"type": "session.created", "session": {}})
    net.message("u1", "Hello.")
    net.reply("Good day.")
    net.wait(100.0 - net.now)
    assert net.latest == 2
    return net


def renewed() -> Net:
    net = renewing()
    net.link = net.greet()
    return net


def expiring(seconds: float = 100.0, **policy: float | None) -> Net:
    """The server announces the end of its session."""
    recovery = Recovery(renew_after=None, **policy)  # type: ignore[arg-type]
    net = Net(recovery=recovery, epoch=EPOCH)
    net.tells(1, {"type": "session.created", "session": {"expires_at": int(EPOCH + seconds)}})
    return net


def alone(net: Net, link: int) -> bool:
    """Whether nothing is left but this link."""
    links = net.session.state.links
    gone = all(server.hung_up for number, server in net.servers.items() if number != link)
    serving = links.serving is not None and links.serving.number == link
    return gone and serving and links.coming is None and links.leaving is None


def running() -> Net:
    """The input has moved; on the old connection a reply still runs."""
    net = renewing()
    net.ask("b")
    net.created("r2", "b")
    net.says("It is", "a2", "r2")
    net.greet()
    assert not net.servers[1].hung_up
    return net


def transcribing() -> Net:
    """A second link is dialled while a turn of the user's waits for its words, and for no answer."""
    net = Net(recovery=SOON)
    detection = {"type": "server_vad", "create_response": False}
    heard = {"turn_detection": detection, "transcription": {"model": "whisper-1"}}
    net.tells(1, {"type": "session.created", "session": {"audio": {"input": heard}}})
    net.append(sound(1))
    net.starts("v1", 0)
    net.stops("v1")
    net.wait(100.0)
    return net
