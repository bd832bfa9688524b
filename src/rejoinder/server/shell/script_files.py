"""Script files, from the disk: their text, the recordings they name, the lines that a program speaks.

::

    async with serve("shop.yaml") as server:
        ...
"""

from __future__ import annotations

import os
import shutil
import stat
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
        text = _beginning(file).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return text.decode("utf-8-sig")
    except Unsuitable as error:
        page.wrong(0, str(error))
    except UnicodeDecodeError as error:
        page.wrong(error.object.count(b"\n", 0, error.start) + 1, "not text in UTF-8")
    page.finish()
    return ""


def _sound(folder: Path, line: Line) -> bytes:
    if line.wav is not None:
        try:
            return recorded(_bytes(folder / line.wav))
        except Unsuitable as error:
            name = line.wav if line.wav.isprintable() else repr(line.wav)
            raise Unsuitable(f"{name} {error}") from None
    try:
        return recorded(_spoken(line.words, line.voice.partition(":")[2]))
    except Unsuitable as error:
        raise Unsuitable(f"{ESPEAK} {error}") from None


def _bytes(file: Path) -> bytes:
    """Only a regular file has an end: a pipe may never say anything, a device never stop."""
    try:
        regular = stat.S_ISREG(file.stat().st_mode)
    except (OSError, ValueError) as error:
        raise _unreadable(error) from None
    if not regular:
        raise Unsuitable("is not a regular file")
    return _beginning(file)


def _beginning(file: Path) -> bytes:
    """All that is in it, which may not be too much."""
    try:
        with file.open("rb") as opened:
            read = opened.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(error) from None
    if len(read) > _LARGEST_FILE:
        raise Unsuitable(f"is larger than {_LARGEST_FILE >> 20} MiB")
    return read


def _unreadable(error: OSError | ValueError) -> Unsuitable:
    """A name that holds a NUL is a `ValueError`."""
    why = error.strerror if isinstance(error, OSError) else str(error)
    return Unsuitable(f"cannot be read: {why}")


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
