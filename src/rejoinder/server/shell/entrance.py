"""What happens to a connection before it is let in: the steps of `faults.handshake`, carried out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from aiohttp import web

from rejoinder.server.faults.handshake import (
    Admit,
    Hang,
    Respond,
    Say,
    Step,
    TearDown,
    TurnAway,
    Wait,
)
from rejoinder.server.shell.sockets import Socket

Welcome: TypeAlias = Admit | Respond | TurnAway


async def meet(socket: Socket, steps: Iterable[Step]) -> Welcome | None:
    """Takes the steps; returns how the request is to be answered, None if the connection is gone."""
    for step in steps:
        match step:
            case Wait(seconds):
                if await socket.lost_within(seconds):
                    return None
            case Say(data):
                await socket.write(data)
            case Hang() | TearDown():
                await _end(socket, step)
                return None
            case _:
                return step
    return Admit()


async def _end(socket: Socket, step: Hang | TearDown) -> None:
    if isinstance(step, Hang):
        await socket.until_lost()
    elif step.reset:
        socket.reset()
    else:
        await socket.cut()


def refusal(step: Respond) -> web.Response:
    """The upgrade refused by HTTP."""
    kind = "application/json" if step.body.startswith("{") else "text/plain"
    return web.Response(
        status=step.status, headers=dict(step.headers), text=step.body, content_type=kind
    )
