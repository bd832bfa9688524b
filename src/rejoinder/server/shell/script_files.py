"""Script files, from the disk: their text, the recordings they name, the lines that a program speaks.

::

    async with serve("shop.yaml") as server:
        ...
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from rejoinder.server import script_text
from rejoinder.server.notation import Page
from rejoinder.server.script_plan import ESPEAK, Line, ScriptFile
from rejoinder.server.sound import Unsuitable, recorded

_SPEAKING_SECONDS = 30.0
_LARGEST_FILE = 16 * 1024 * 1024


def load(path: str | os.PathLike[str]) -> ScriptFile:
    """The script in a file. Reads the WAV files that it names, relative to it, and runs espeak-ng if asked.

    Raises `ConfigurationError` when anything in it cannot be used: one line for each thing, with file, line
    and reason. Blocks while it reads and speaks.
    """
    file = Path(path)
    page = Page(str(path))
    plan = script_text.read(page, _text(page, file))
    sounds: dict[Line, bytes] = {}
    for line in plan.lines():
        try:
            sounds[line] = _sound(file.parent, line)
        except Unsuitable as error:
            page.wrong(line.at, str(error))
    page.finish()
    return plan.spoken(sounds)


def _text(page: Page, file: Path) -> str:
    """Raises `ConfigurationError` when there is none."""
    try:
        return file.read_text("utf-8-sig")
    except OSError as error:
        page.wrong(1, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        page.wrong(error.object.count(b"\n", 0, error.start) + 1, "not text in UTF-8")
    page.finish()
    return ""


def _sound(folder: Path, line: Line) -> bytes:
    if line.wav is not None:
        try:
            return recorded(_bytes(folder / line.wav))
        except Unsuitable as error:
            raise Unsuitable(f"{line.wav} {error}") from None
    try:
        return recorded(_spoken(line.words, line.voice.partition(":")[2]))
    except Unsuitable as error:
        raise Unsuitable(f"{ESPEAK} {error}") from None


def _bytes(file: Path) -> bytes:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise Unsuitable(f"is larger than {_LARGEST_FILE >> 20} MiB")
        return file.read_bytes()
    except OSError as error:
        raise Unsuitable(f"cannot be read: {error.strerror}") from None


def _spoken(words: str, voice: str) -> bytes:
    """A WAV file of the words. They go in by the standard input, where nothing is taken for an option."""
    program = shutil.which(ESPEAK)
    if program is None:
        raise Unsuitable("is not installed: install it, or leave 'voice' out for a hum")
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder, "line.wav")
        command = [program, "-b", "1", "--stdin", "-w", str(wav), "-v", voice or "en"]
        try:
            subprocess.run(
                command,
                input=words.encode(),
                capture_output=True,
                check=True,
                timeout=_SPEAKING_SECONDS,
            )
            return wav.read_bytes()
        except subprocess.CalledProcessError as error:
            said = " ".join(error.stderr.decode(errors="replace").split())
            raise Unsuitable(f"failed: {said or error.returncode}") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unsuitable(f"failed: {error}") from None
