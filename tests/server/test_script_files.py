"""Script files on the disk: what they name is found beside them, or said to be missing."""

from __future__ import annotations

import os
import struct
import textwrap
import wave
from pathlib import Path

import aiohttp
import pytest

from rejoinder.errors import ConfigurationError
from rejoinder.server.audio import tone
from rejoinder.server.script import Prompt, Speech
from rejoinder.server.serve import serve
from rejoinder.server.shell.script_files import load
from rejoinder.testing import Run

ROOT = Path(__file__).parents[2]
ASKED = Prompt(kind="text", text="", number=1)

ESPEAK = """\
#!/bin/sh
# Says whatever it is asked to say with the recording beside it, and notes what it was asked.
echo "$@" > "$(dirname "$0")/asked"
cat > "$(dirname "$0")/words"
test -f "$(dirname "$0")/voice.wav" || { echo "Error: no such voice." >&2; exit 1; }
while [ "$1" != -w ]; do shift; done
cp "$(dirname "$0")/voice.wav" "$2"
"""


def record(path: Path, audio: bytes, rate: int = 24_000) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(audio)


def write(folder: Path, text: str) -> Path:
    path = folder / "shop.yaml"
    path.write_text(textwrap.dedent(text), "utf-8")
    return path


def first_line(path: Path) -> Speech:
    reply = load(path).script.turns[0].reply(ASKED)
    assert isinstance(reply, tuple)
    (speech,) = reply
    assert isinstance(speech, Speech)
    return speech


@pytest.fixture
def espeak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name, and nothing else of it, wherever the tests run."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "espeak-ng"
    program.write_text(ESPEAK)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_a_recording_lies_beside_the_script(tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir()
    record(tmp_path / "sounds" / "noon.wav", tone(0.5))
    path = write(tmp_path, "- {user: What time is it, says: It is noon., wav: sounds/noon.wav}")
    assert first_line(path) == Speech("It is noon.", tone(0.5))


def test_the_words_go_to_espeak_as_words_and_come_back_at_24_khz(
    tmp_path: Path, espeak: Path
) -> None:
    record(espeak / "voice.wav", struct.pack("<22050h", *[1000] * 22_050), 22_050)
    speech = first_line(write(tmp_path, "- {says: --version of ours, voice: 'espeak-ng:en-gb+m3'}"))
    assert (espeak / "words").read_text() == "--version of ours"
    assert "-v en-gb+m3" in (espeak / "asked").read_text()
    assert speech.audio is not None
    assert len(speech.audio) == 48_000
    assert set(struct.unpack("<20000h", speech.audio[4000:44000])) == {1000}


def test_what_espeak_says_of_itself_is_passed_on(tmp_path: Path, espeak: Path) -> None:
    path = write(tmp_path, "- {says: a, voice: espeak-ng}\n- {says: b, voice: 'espeak-ng:zz'}")
    with pytest.raises(ConfigurationError) as refused:
        load(path)
    assert refused.value.message == "\n".join(
        f"{path}:{line}: espeak-ng failed: Error: no such voice." for line in (1, 2)
    )


def test_an_espeak_that_says_nothing_is_no_voice(tmp_path: Path, espeak: Path) -> None:
    record(espeak / "voice.wav", b"", 22_050)
    with pytest.raises(ConfigurationError, match="espeak-ng holds no sound"):
        load(write(tmp_path, "- {says: '', voice: espeak-ng}"))


def test_a_voice_that_is_not_installed_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"shop\.yaml:2: espeak-ng is not installed"):
        load(write(tmp_path, "- user: x\n  says: y\n  voice: espeak-ng\n"))


def test_all_that_is_missing_or_wrong_is_told_together(tmp_path: Path) -> None:
    record(tmp_path / "wide.wav", bytes(8), 22_051)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "huge.wav").write_bytes(bytes(16 * 1024 * 1024 + 1))
    path = write(
        tmp_path,
        """\
        - {says: a, wav: gone.wav}
        - {say: b}
        - {says: c, wav: wide.wav}
        - {says: d, wav: .}
        - {says: e, wav: huge.wav}
        - {says: f, wav: pipe}
        - {says: g, wav: /dev/zero}
        - {says: h, wav: "a\\0b"}
        """,
    )
    with pytest.raises(ConfigurationError) as refused:
        load(path)
    gone, key, wide, folder, huge, pipe, zero, nul = refused.value.message.splitlines()
    assert gone == f"{path}:1: gone.wav cannot be read: No such file or directory"
    assert key.startswith(f"{path}:2: unknown key 'say'")
    assert wide.startswith(f"{path}:3: wide.wav has 1 channel(s) of 16 bit at 22051 Hz")
    assert folder == f"{path}:4: . is not a regular file"
    assert huge == f"{path}:5: huge.wav is larger than 16 MiB"
    assert pipe == f"{path}:6: pipe is not a regular file"
    assert zero == f"{path}:7: /dev/zero is not a regular file"
    assert nul == f"{path}:8: 'a\\x00b' cannot be read: embedded null byte"


def test_a_script_that_is_not_there_or_no_text_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.yaml: cannot be read: No such file"):
        load(tmp_path / "gone.yaml")
    path = tmp_path / "latin.yaml"
    for newline in (b"\n", b"\r\n", b"\r"):
        path.write_bytes(b"- user: x\n  says: caf\xe9\n".replace(b"\n", newline))
        with pytest.raises(ConfigurationError, match=r"latin\.yaml:2: not text in UTF-8"):
            load(str(path))
        path.write_bytes(b"- user: x\n  say: y\n".replace(b"\n", newline))
        with pytest.raises(ConfigurationError, match=r"latin\.yaml:2: unknown key"):
            load(path)
    with pytest.raises(ConfigurationError, match=r": cannot be read: embedded null byte"):
        load("a\0b")
    path.write_bytes(bytes(16 * 1024 * 1024 + 1))
    with pytest.raises(ConfigurationError, match=r"latin\.yaml: is larger than 16 MiB"):
        load(path)


def test_the_example_can_be_served(run: Run) -> None:
    async def exchange() -> None:
        async with (
            serve(ROOT / "examples" / "shop.yaml") as server,
            aiohttp.ClientSession() as http,
            http.ws_connect(f"{server.url}/realtime?model=gpt-realtime") as socket,
        ):
            response = {"instructions": "Greet the caller."}
            await socket.send_json({"type": "response.create", "response": response})
            while (told := await socket.receive_json())["type"] != "response.done":
                pass
        (item,) = told["response"]["output"]
        assert item["content"][0]["transcript"] == "Good morning, this is the little shop."

    run(exchange())


def test_a_script_file_brings_its_faults_and_terms(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path, "faults: [close-4000@opened]\nlifetime: 60\n")

    async def exchange() -> None:
        async with (
            serve(str(path)) as server,
            aiohttp.ClientSession() as http,
            http.ws_connect(f"{server.url}/realtime?model=gpt-realtime") as socket,
        ):
            await socket.receive_json()
            await socket.receive()
            assert socket.close_code == 4000
            assert server.sessions[0].core.terms.lifetime == 60

    run(exchange())
