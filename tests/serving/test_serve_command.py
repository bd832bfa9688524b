"""`rejoinder serve` as people run it: a process of its own, its first lines, its rows, its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner

from rejoinder.cli import app
from rejoinder.server.faults.catalogue import described
from rejoinder.serving.hold import is_loopback

SHOP = Path(__file__).parents[2] / "examples" / "shop.yaml"
REJOINDER = [sys.executable, "-c", "from rejoinder.cli import app; app()", "serve", "--port", "0"]


class Command:
    """The running command: ``url`` is where it serves, ``first`` what it said until then."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.first: list[str] = []
        self.url = ""

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").removesuffix("/v1").split(":")
        return host, int(port)

    async def begin(self) -> None:
        while not self.first or "openai" not in self.first[-1]:
            self.first.append(await self.line())
        self.url = self.first[0].split()[3].rstrip(";")

    async def line(self) -> str:
        assert self._process.stdout
        line = await self._process.stdout.readline()
        assert line, "it ended before its time"
        return line.decode().rstrip()

    async def until(self, words: str) -> list[str]:
        lines = [await self.line()]
        while words not in lines[-1]:
            lines.append(await self.line())
        return lines

    def tell(self, number: int) -> None:
        self._process.send_signal(number)

    async def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Its exit code, and what it still had to say on either stream."""
        self.tell(number)
        out, err = await self._process.communicate()
        return await self._process.wait(), (out or b"").decode(), err.decode()


@contextlib.asynccontextmanager
async def command(
    *words: str, stdout: int = asyncio.subprocess.PIPE, **environment: str
) -> AsyncIterator[Command]:
    """With a ``stdout`` of one's own, what it says first is left to be read there."""
    process = await asyncio.create_subprocess_exec(
        *REJOINDER,
        *words,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        async with asyncio.timeout(60):
            running = Command(process)
            if stdout == asyncio.subprocess.PIPE:
                await running.begin()
            yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@contextlib.asynccontextmanager
async def connected(url: str, key: str = "any") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as http,
        http.ws_connect(f"{url}/realtime?model=gpt-realtime") as client,
    ):
        yield client


async def reply(client: aiohttp.ClientWebSocketResponse) -> dict[str, object]:
    """Asks for the greeting and hears it to its end."""
    asked = {"type": "response.create", "response": {"instructions": "Greet the caller."}}
    await client.send_json(asked)
    while (said := await client.receive_json())["type"] not in ("response.done", "response.error"):
        pass
    return dict(said)


def test_a_conversation_and_a_clean_end() -> None:
    async def main() -> None:
        async with command(str(SHOP), "--fault", "response-error@delta:2#2") as served:
            assert "shop.yaml (4 turns)" in served.first[1]
            assert served.first[2].split() == ["faults", "response-error@delta:2#2"]
            for line in served.first[3:]:
                assert f'(base_url="{served.url}", api_key="any")' in line
            async with connected(served.url) as client:
                assert (await reply(client))["type"] == "response.done"
                rows = await served.until("-> response.done")
                assert any('"Good morning, this is the little shop."' in row for row in rows)
                assert any("<- response.create" in row and "#1" in row for row in rows)
                assert (await reply(client))["type"] == "response.error"
                assert "!! response-error  strikes" in (await served.until("!!"))[-1]
                ending = asyncio.create_task(served.end())
                async for _ in client:
                    pass
                assert client.close_code == 1001
                code, out, err = await ending
            assert (code, err) == (0, "")
            assert "== closed  1001  server shutdown" in out
            assert out.endswith("Closed.\n")

    asyncio.run(main())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_either_signal_ends_it_well(number: int) -> None:
    async def main() -> None:
        async with command("--quiet") as served:
            assert await served.end(number) == (0, "Closed.\n", "")

    asyncio.run(main())


def test_a_second_signal_ends_it_at_once() -> None:
    async def main() -> None:
        async with command() as served:
            unfinished, waiting = await asyncio.open_connection(*served.address)
            waiting.write(
                b"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
                b"Authorization: Bearer any\r\nExpect: 100-continue\r\n\r\n"
            )
            await unfinished.readuntil(b"100 Continue")  # for the rest, the end waits a second
            async with connected(served.url) as client:
                served.tell(signal.SIGINT)
                async for _ in client:
                    pass
                assert client.close_code == 1001
            code, out, err = await served.end(signal.SIGINT)
            assert (code, err) == (130, "")
            assert "Closed." not in out
            waiting.close()
            await waiting.wait_closed()

    asyncio.run(main())


def test_a_key_is_asked_for_and_never_shown() -> None:
    async def main() -> None:
        async with command(REJOINDER_SERVE_KEY="sk-right") as served:
            async with connected(served.url, "sk-wrong") as client:
                async for _ in client:
                    pass
                assert client.close_code == 3000
            async with connected(served.url, "sk-right") as client:
                assert (await client.receive_json())["type"] == "session.created"
            rows = await served.until("closed")
            assert "turned away  3000  invalid_request_error.invalid_api_key" in rows[0]
            code, out, err = await served.end()
            assert "sk-" not in "".join([*served.first, *rows, out, err])
            assert code == 0

    asyncio.run(main())


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        (b"GET /v1/realtime?model=\xff&api-key=sk-secret HTTP/1.1", b""),
        (b"GET /v1/realtime HTTP/1.1", b"Authorization: Bearer sk-secret\x01\r\n"),
        (b"\x16\x03\x01 sk-secret", b""),
    ],
)
def test_what_is_not_http_is_a_row_without_a_word_of_it(line: bytes, headers: bytes) -> None:
    async def main() -> None:
        async with command() as served:
            reader, writer = await asyncio.open_connection(*served.address)
            writer.write(line + b"\r\nHost: x\r\n" + headers + b"\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.0 400 ")
            writer.close()
            await writer.wait_closed()
            row = await served.line()
            assert row.endswith("== turned away  400  not HTTP")
            code, out, err = await served.end()
            assert (code, out, err) == (0, "Closed.\n", "")

    asyncio.run(main())


def test_nobody_who_reads_what_it_shows_holds_it_up() -> None:
    async def main() -> None:
        read, write = os.pipe()
        async with command(stdout=write) as served:
            os.close(write)
            first = os.read(read, 4096).decode()  # and nobody reads the rest
            async with connected(first.split()[3].rstrip(";")) as client:
                for _ in range(2000):
                    await client.send_str("no event")
                    while (await client.receive_json())["type"] != "error":
                        pass
                assert await served.end() == (0, "", "")
        os.close(read)

    asyncio.run(main())


def test_a_terminal_that_is_not_utf8_gets_what_it_can_show() -> None:
    async def main() -> None:
        async with command(str(SHOP), PYTHONIOENCODING="ascii") as served:
            async with connected(served.url) as client:
                await client.send_json({"type": "no-such-\u00e9v\u00e9nement"})
                assert (await reply(client))["type"] == "response.done"
            rows = await served.until("closed")
            assert any("no-such-\\xe9v\\xe9nement" in row for row in rows)
            code, _, err = await served.end()
            assert (code, err) == (0, "")

    asyncio.run(main())


def test_sessions_are_bounded_in_number_and_in_time() -> None:
    async def main() -> None:
        async with command("--max-sessions", "1", "--max-session-seconds", "0.2") as served:
            async with connected(served.url) as client:
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    async with connected(served.url):
                        pass
                assert refused.value.status == 503
                async for _ in client:
                    pass
                assert client.close_code == 1001
            rows = await served.until("closed")
            assert any("turned away  503" in row for row in rows)
            assert any("session_expired" in row for row in rows)

    asyncio.run(main())


def refused(*words: str, **environment: str) -> str:
    result = CliRunner().invoke(app, ["serve", *words], env=environment)
    assert result.exit_code == 2
    return result.output


def test_a_script_is_refused_mistake_by_mistake(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("- user: x\n  say: y\n- user: z\n")
    key, answer = refused(str(path)).splitlines()
    assert key == f"rejoinder: {path}:2: unknown key 'say' in a turn; did you mean 'says'?"
    assert answer.startswith(f"rejoinder: {path}:3: a turn without an answer: say one of says, ")


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refused("--port", str(port))
    assert told == (
        f"rejoinder: port {port} is taken: choose another with --port (0: any that is free)\n"
    )


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["gone.yaml"], "gone.yaml: cannot be read: No such file or directory"),
        (["--fault", "mischief"], "no such fault: 'mischief'"),
        (["--fault", "abort@nowhere"], "no such point: 'nowhere'"),
        (["--host", "192.0.2.1", "--port", "0"], "cannot listen on --host 192.0.2.1: "),
        (["--key", ""], "--key is empty; leave it out to let any key in"),
        (["--max-session-seconds", "inf"], "--max-session-seconds must be a number of seconds"),
        (["--max-session-seconds", "1e300"], "--max-session-seconds must be"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(words: list[str], why: str) -> None:
    (line,) = refused(*words).splitlines()
    assert line.startswith(f"rejoinder: {why}")


@pytest.mark.parametrize("words", [["--port", "-1"], ["--max-sessions", "0"]])
def test_what_is_no_number_of_its_kind_is_refused(words: list[str]) -> None:
    assert "Invalid value" in refused(*words)


def test_the_faults_are_listed_with_points_and_words() -> None:
    result = CliRunner().invoke(app, ["serve", "--list-faults"])
    assert result.exit_code == 0
    told = [line.split(maxsplit=2) for line in result.output.splitlines()]
    assert told == [[one.name, one.point, one.says] for one in described()]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("example.org", False),
    ],
)
def test_what_only_this_machine_can_reach(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_server_for_everyone_is_warned_about_unless_it_has_a_key() -> None:
    async def main() -> None:
        async with command("--host", "0.0.0.0") as served:
            assert served.url.startswith("http://127.0.0.1:")
            assert "WARNING: 0.0.0.0 can be reached" in await served.line()
        async with command("--host", "0.0.0.0", "--key", "sk-1") as served:
            assert await served.end() == (0, "Closed.\n", "")

    asyncio.run(main())
