"""WebSocket frames of a server as bytes (RFC 6455, section 5.2): whole ones, and for faults broken ones."""

from __future__ import annotations

import struct

TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PING = 0x9
PONG = 0xA
FRAGMENTS = 16
"""How many a fault makes of one frame."""
_CONTINUED = 0x0
_FINAL = 0x80


def frame(opcode: int, data: bytes, *, final: bool = True) -> bytes:
    """One frame, unmasked as a server's are."""
    first = opcode | (_FINAL if final else 0)
    size = len(data)
    if size < 126:
        return struct.pack("!BB", first, size) + data
    if size < 1 << 16:
        return struct.pack("!BBH", first, 126, size) + data
    return struct.pack("!BBQ", first, 127, size) + data


def fragments(opcode: int, data: bytes, count: int) -> bytes:
    """One message as so many frames, or as many as it has bytes."""
    step = max(-(-len(data) // count), 1)
    pieces = [data[at : at + step] for at in range(0, len(data), step)] or [b""]
    last = len(pieces) - 1
    return b"".join(
        frame(_CONTINUED if number else opcode, piece, final=number == last)
        for number, piece in enumerate(pieces)
    )


def close(code: int | None = None, reason: str = "") -> bytes:
    """A close frame; without a code the client is told 1005, as the RFC says."""
    body = b"" if code is None else struct.pack("!H", code) + reason.encode()[:123]
    return frame(CLOSE, body)


def may_close_with(code: int) -> bool:
    """Whether a close frame may carry this code: no reserved and no unassigned one (section 7.4)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


GARBAGE = b"\xf3\x05never"
"""All reserved bits set, and an opcode that nobody has defined."""
