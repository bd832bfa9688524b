"""The aiohttp transport over TLS, as in production."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rejoinder.client.transport import AiohttpTransport, dial
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.outcomes import Close
from rejoinder.testing import Run, VirtualTimeLoop
from tests.client.peer import until
from tests.client.sockets import Answer

CLOCKS = Timeouts(close=1.0)


def certified(folder: Path) -> ssl.SSLContext:
    """A server's context, with a certificate of its own making."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    began = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(began)
        .not_valid_after(began + dt.timedelta(days=36_500))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    text = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    both = folder / "both.pem"
    both.write_bytes(text + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context


@asynccontextmanager
async def tls(answer: Answer, context: ssl.SSLContext) -> AsyncIterator[AiohttpTransport]:
    """A connection to a server that answers so."""
    app = web.Application()
    app.add_routes([web.get("/", answer)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        port = runner.addresses[0][1]
        trusting = aiohttp.TCPConnector(ssl=False)
        async with aiohttp.ClientSession(connector=trusting) as lent:
            url = f"wss://127.0.0.1:{port}/"
            yield await dial(url, {}, http_session=lent, timeouts=CLOCKS)
    finally:
        await runner.cleanup()


async def echo(request: web.Request) -> web.StreamResponse:
    ws = web.WebSocketResponse(max_msg_size=1 << 23, timeout=0.1)
    await ws.prepare(request)
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            await ws.send_str(message.data)
    return ws


def test_frames_travel_and_the_close_is_answered(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with tls(echo, certified(tmp_path)) as transport:
            for frame in (b"small", b"x" * (1 << 22)):
                await transport.send(frame)
                assert await transport.receive() == frame
            assert await transport.close() == Close("server", 1000)
            assert await transport.close() == Close("server", 1000)

    run(main())


@pytest.mark.parametrize("reads", [True, False])
def test_a_peer_that_answers_no_close_holds_no_socket(
    run: Run, tmp_path: Path, reads: bool
) -> None:
    async def main() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        assert isinstance(loop, VirtualTimeLoop)

        async def deaf(request: web.Request) -> web.StreamResponse:
            ws = web.WebSocketResponse(timeout=0.1)
            await ws.prepare(request)
            if not reads and request.transport is not None:
                request.transport.pause_reading()
            await over.wait()
            return ws

        async with tls(deaf, certified(tmp_path)) as transport:
            open_before = len(loop.open_descriptors())
            await asyncio.wait({asyncio.ensure_future(flood(transport, reads))}, timeout=1.0)
            began = loop.time()
            assert await transport.close() is None
            assert loop.time() - began <= CLOCKS.close + 0.001
            await until(lambda: len(loop.open_descriptors()) < open_before)
            over.set()

    run(main())


async def flood(transport: AiohttpTransport, reads: bool) -> None:
    """Sends until nothing is taken any more, then until the connection ends."""
    try:
        while not reads:
            await transport.send(bytes(1 << 20))
    except ConnectionError:
        return


def test_a_server_that_does_not_answer_a_ping_is_gone(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        over = asyncio.Event()

        async def mute(request: web.Request) -> web.StreamResponse:
            ws = web.WebSocketResponse(autoping=False, timeout=0.1)
            await ws.prepare(request)
            while not over.is_set() and (await ws.receive()).type is WSMsgType.PING:
                pass
            return ws

        async with tls(mute, certified(tmp_path)) as transport:
            loop = asyncio.get_running_loop()
            began = loop.time()
            end = await transport.receive()
            assert isinstance(end, Close)
            assert "did not answer a ping" in end.reason
            assert loop.time() - began == pytest.approx(CLOCKS.heartbeat * 1.5)
            over.set()
            await transport.close()

    run(main())
