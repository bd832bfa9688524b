"""Which samples of a microphone have become items, counted at the servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

import msgspec
import numpy as np

from bench.microphone import SAMPLE_BYTES, Microphone
from rejoinder.server.shell.served import ServedSession

_ENOUGH = 16 * SAMPLE_BYTES
"""Bytes that occur once in all that was recorded."""


class Account(msgspec.Struct, frozen=True):
    """What became of all that the user said. ``items``: how many were committed. ``lost``: samples that
    no item holds, of what was spoken or within an item; ``doubled``: samples that are in two items, or
    twice in one, or that servers know differently."""

    items: int
    lost: int
    doubled: int


Heard = dict[str, list[bytes]]
"""The audio of each item, as each server that has it holds it."""


def heard(servers: Iterable[ServedSession]) -> Heard:
    """What several connections, to one server, hold of what was said."""
    items: Heard = {}
    for server in servers:
        for entry in server.conversation:
            if entry.item.role == "user" and entry.audio:
                items.setdefault(entry.item_id, []).append(bytes(entry.audio))
    return items


def account(recorded: Microphone, items: Mapping[str, list[bytes]]) -> Account:
    """Finds the samples of each item in what was recorded. Items of another microphone do not count."""
    times = np.zeros(len(recorded.audio) // SAMPLE_BYTES, int)
    wanted = np.zeros(len(times), bool)
    for spoken in recorded.spoken:
        wanted[spoken.begins : spoken.ends] = True
    found, doubled = 0, 0
    for copies in items.values():
        pieces = list(_pieces(recorded.audio, copies[0]))
        found += bool(pieces)
        doubled += sum(_unlike(copies[0], other) for other in copies[1:]) if pieces else 0
        for begins, ends in pieces:
            times[begins:ends] += 1
        for (_, ended), (begins, _) in pairwise(pieces):
            wanted[ended:begins] = True
    lost = int(np.count_nonzero(wanted & (times == 0)))
    return Account(found, lost, doubled + int(np.sum(np.maximum(times - 1, 0))))


def _pieces(recorded: bytes, audio: bytes) -> Iterator[tuple[int, int]]:
    """Where the samples of an item come from: one piece, if none is missing and none doubled."""
    at = 0 if _is_of(recorded, audio) else len(audio)
    while at + _ENOUGH <= len(audio):
        origin = _origin(recorded, audio[at : at + _ENOUGH])
        if origin is None:
            at += SAMPLE_BYTES
            continue
        size = _alike(recorded[origin : origin + len(audio) - at], audio[at:])
        yield origin // SAMPLE_BYTES, (origin + size) // SAMPLE_BYTES
        at += size


def _is_of(recorded: bytes, audio: bytes) -> bool:
    """Whether a few samples of it are found there: to look for all that are not would take minutes."""
    last = max(len(audio) - _ENOUGH, 0)
    places = (0, last // SAMPLE_BYTES // 2 * SAMPLE_BYTES, last)
    return any(_origin(recorded, audio[at : at + _ENOUGH]) is not None for at in places)


def _origin(recorded: bytes, few: bytes) -> int | None:
    at = recorded.find(few)
    while at % SAMPLE_BYTES and at >= 0:
        at = recorded.find(few, at + 1)
    return at if at >= 0 else None


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes of whole samples both begin with."""
    size = min(len(one), len(other))
    ours, theirs = (np.frombuffer(each[:size], "<i2") for each in (one, other))
    unlike = np.flatnonzero(ours != theirs)
    return int(unlike[0]) * SAMPLE_BYTES if len(unlike) else size


def _unlike(one: bytes, other: bytes) -> int:
    """How many samples two servers know differently of the same item."""
    return (max(len(one), len(other)) - _alike(one, other)) // SAMPLE_BYTES
