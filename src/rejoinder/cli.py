"""`rejoinder` on the command line: one function per verb."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Coroutine
from importlib import metadata, util
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from rejoinder.errors import ConfigurationError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_show_locals=False,  # one of them may be a key
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"rejoinder {metadata.version('rejoinder')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which one.")
    ] = False,
) -> None:
    """Realtime voice sessions in which every reply is answered."""


@app.command()
def demo(
    live: Annotated[
        bool, typer.Option("--live", help="With OpenAI itself (needs OPENAI_API_KEY), no faults.")
    ] = False,
    client: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:CLASS",
            help="Another LiveKit realtime model instead of ours, 15 s for each turn.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where reply.wav and session.jsonl go.")] = Path(
        "demo-out"
    ),
) -> None:
    """A spoken conversation, two replies of it cut off.

    It is held with a local server, which fails in the middle of the third answer and cuts the connection in
    the middle of the fifth. Takes three quarters of a minute, with another model two and a half at most. The
    exit code is 0 only if every reply ended as expected.
    """
    if util.find_spec("livekit") is None or util.find_spec("livekit.agents") is None:
        _refuse("the demo needs LiveKit Agents: install rejoinder with its extra [livekit]")
    from rejoinder.demo.hold import check, hold

    try:
        check(live=live, client=client)
        out.mkdir(parents=True, exist_ok=True)
    except ConfigurationError as error:
        _refuse(error.message)
    except OSError as error:
        _refuse(f"--out {out}: {error.strerror}; name a directory that can be written to")
    try:
        good = asyncio.run(hold(out, Console(), live=live, client=client))
    except ConfigurationError as error:
        _refuse(error.message)
    if not good:
        raise typer.Exit(1)


@app.command()
def faults(
    client: Annotated[
        list[str],
        typer.Option(
            help="rejoinder, rejoinder.livekit, openai, openai-agents, or MODULE:CLASS of a LiveKit "
            "RealtimeModel. May be given several times."
        ),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only cells whose name holds this, as in 'spoken x reset@delta:3'."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write what was seen to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write one page to this file.")] = None,
    at_a_time: Annotated[int, typer.Option(min=1, max=64, help="Cells at once.")] = 8,
) -> None:
    """Which client survives what: scenario by fault, each in a process of its own.

    A client is used as its own documents say, against a local server that makes one fault. Takes two to
    seven minutes for a client. The exit code is 0 only if every cell is as it should be.
    """
    from rejoinder.conformance.show import show

    try:
        good = show(client, only or [], Console(), json=json, html=html, at_a_time=at_a_time)
    except ConfigurationError as error:
        _refuse(error.message)
    if not good:
        raise typer.Exit(1)


@app.command()
def serve(
    script: Annotated[
        str | None, typer.Argument(metavar="SCRIPT.yaml", help="What it hears and answers.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", "-f", metavar="NAME@POINT", help="What goes wrong; any number."),
    ] = None,
    host: Annotated[str, typer.Option(help="Where it listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8765,
    key: Annotated[
        str | None,
        typer.Option(envvar="REJOINDER_SERVE_KEY", help="The only key let in; any, if not given."),
    ] = None,
    max_sessions: Annotated[
        int, typer.Option(min=1, help="One more is refused with HTTP 503.")
    ] = 64,
    max_session_seconds: Annotated[
        float | None, typer.Option(min=0.001, help="Then a session expires. [default: 3600]")
    ] = None,
    ear: Annotated[
        str, typer.Option(help="How speech is heard: energy, or speech (a model, extra [livekit]).")
    ] = "energy",
    dialect: Annotated[
        str, typer.Option(help="auto, ga, or flat: the older shape, to everybody.")
    ] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No line for each event.")] = False,
    list_faults: Annotated[
        bool, typer.Option("--list-faults", help="Say what can go wrong, and end.")
    ] = False,
) -> None:
    """A Realtime server on this machine: it answers from a script, and fails where it is told to.

    Shows both directions as they happen. Ctrl-C or SIGTERM closes every connection and ends it with
    exit code 0. How scripts are written: docs/server.md.
    """
    from rejoinder.server.faults.catalogue import described
    from rejoinder.serving.hold import Wishes, hold

    if list_faults:
        for one in described():
            print(f"{one.name:38} {one.point:24} {one.says}")
        return
    if key == "":
        _refuse("--key is empty; leave it out to let any key in")
    if max_session_seconds is not None and not max_session_seconds <= 1e9:
        _refuse("--max-session-seconds must be a number of seconds, at most 1e9")
    wishes = Wishes(
        script=script,
        faults=tuple(fault or ()),
        host=host,
        port=port,
        key=key,
        max_sessions=max_sessions,
        max_session_seconds=max_session_seconds,
        ear=ear,
        dialect=dialect,
        quiet=quiet,
    )
    _see_to_its_end(hold(wishes, Console()))


def _see_to_its_end(serving: Coroutine[Any, Any, bool]) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):  # clients may say what this terminal cannot write
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        shown = asyncio.run(serving)
    except ConfigurationError as error:
        _refuse(error.message)
    if not shown:
        os._exit(0)  # nobody reads what we print, and an orderly end would wait for them


def _refuse(why: str) -> NoReturn:
    for line in why.splitlines():
        typer.secho(f"rejoinder: {line}", fg="red", err=True)
    raise typer.Exit(2)
