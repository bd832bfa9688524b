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
    """A spoken conversation, one reply of it cut off.

    It is held with a local server, which fails in the middle of the third answer. Takes about half a
    minute, with another model a minute and a half at most. The exit code is 0 only if every reply ended
    as expected.
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


def _refuse(why: str) -> NoReturn:
    typer.secho(f"rejoinder: {why}", fg="red", err=True)
    raise typer.Exit(2)
