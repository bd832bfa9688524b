"""`rejoinder` on the command line: one function per verb."""

from __future__ import annotations

import asyncio
from importlib import metadata, util
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from rejoinder.errors import ConfigurationError

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


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
        bool, typer.Option("--live", help="With OpenAI itself (needs OPENAI_API_KEY), no fault.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Where reply.wav and session.jsonl go.")] = Path(
        "demo-out"
    ),
) -> None:
    """A spoken conversation, one reply of it cut off.

    It is held with a local server, which fails in the middle of the third answer. Takes about half a
    minute. The exit code is 0 only if every reply ended as expected.
    """
    if util.find_spec("livekit") is None or util.find_spec("livekit.agents") is None:
        _refuse("the demo needs LiveKit Agents: install rejoinder with its extra [livekit]")
    from rejoinder.demo.hold import check, hold

    try:
        check(live=live)
        out.mkdir(parents=True, exist_ok=True)
    except ConfigurationError as error:
        _refuse(error.message)
    except OSError as error:
        _refuse(f"--out {out}: {error.strerror}; name a directory that can be written to")
    if not asyncio.run(hold(out, Console(), live=live)):
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
    except OSError as error:
        _refuse(f"{error.filename}: {error.strerror}; name a file that can be written to")
    if not good:
        raise typer.Exit(1)


def _refuse(why: str) -> NoReturn:
    typer.secho(f"rejoinder: {why}", fg="red", err=True)
    raise typer.Exit(2)
