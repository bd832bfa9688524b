"""The socket: three methods, and the one place on our side that knows aiohttp.

Whatever aiohttp or the operating system raises ends here: a dial that fails is a `ConnectError`, a
socket that ends is a `Close`, a send that fails is a ``ConnectionError``. aiohttp's own exceptions
carry the request's headers in their ``repr``, so they are never chained.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Literal, Protocol, TypeAlias
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, WSMsgType

from rejoinder.client.heartbeat import Heartbeat
from rejoinder.client.refusal import line, refusal
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.outcomes import Close
from rejoinder.errors import ConfigurationError, ConnectError, RejoinderError

__all__ = ["MOST_FRAME", "AiohttpTransport", "Dial", "HttpSession", "Transport", "dial"]

HttpSession: TypeAlias = aiohttp.ClientSession
"""What an application may lend us: its connector, cookies, headers and proxy are used."""

Socket: TypeAlias = "aiohttp.ClientWebSocketResponse[Literal[False]]"
"""One whose text frames come as bytes: they are decoded with the event, and not before."""

_SendControl: TypeAlias = Callable[[bytes], Coroutine[Any, Any, None]]

MOST_FRAME = 32 * 1024 * 1024
"""The largest frame that is accepted, in bytes: items come with their audio embedded."""

_MOST_BODY = 64 * 1024
"""How much of a refusal's body is read, in bytes."""

_BODY_PATIENCE = 1.0
"""How long the body of a refusal is waited for, in seconds: its status alone says enough."""

_SHORTEST_SECRET = 12
"""Shorter header values are placeholders such as "none", not secrets; hiding them would garble text."""

_CREDENTIALS = frozenset({"authorization", "api-key", "x-api-key", "proxy-authorization", "cookie"})
_PLAIN = frozenset('+/=_.,:"{}')
"""What an audio delta consists of, beside letters and digits."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TEXT = WSMsgType.TEXT  # an enum's attribute is slow to read
_NO_STATUS = 1005
"""RFC 6455: stands for a close frame without a code; never sent itself."""


class Transport(Protocol):
    """One open connection that carries text frames."""

    async def send(self, data: bytes) -> None:
        """Sends one text frame; waits while the connection takes no more.

        Raises ``ConnectionError`` when the connection is gone. Cancelling it may lose the frame.
        """

    async def receive(self) -> str | bytes | Close:
        """The next frame, text or binary, or the end, which every later call repeats.

        Never raises. Cancelling it loses nothing.
        """

    async def close(self, code: int = 1000, reason: str = "") -> Close | None:
        """Closes the connection within a bound and frees it; the peer's close frame, if one came.

        Never raises and may be called again. Cancelling it frees the connection at once.
        """


class Dial(Protocol):
    """Opens a transport. The default is `dial`."""

    async def __call__(self, url: str, headers: Mapping[str, str]) -> Transport:
        """Raises `ConnectError`."""


async def dial(
    url: str,
    headers: Mapping[str, str],
    *,
    http_session: HttpSession | None = None,
    timeouts: Timeouts | None = None,
) -> AiohttpTransport:
    """Opens a WebSocket at ``url`` (``ws`` or ``wss``), within ``timeouts.connect`` seconds.

    ``http_session``: its connector, cookies, headers and proxy are used, and it stays open. Frames up
    to 32 MiB are accepted; compression is off, since base64 audio does not compress. Redirects are
    followed within the same host and port only, so that credentials go nowhere else.

    Raises `ConnectError`: with the HTTP ``status`` and the server's own message and code when it
    refused the upgrade; with the code ``timeout``, ``tls``, ``handshake`` or ``unreachable`` else.
    Cancelling it closes what was opened.
    """
    clocks = timeouts or Timeouts()
    handshake = _Handshake()
    http = _session(http_session, handshake)
    secrets = _secrets(http.headers) + _secrets(headers)
    connected: Socket | None = None
    failure: RejoinderError | None = None
    try:
        async with asyncio.timeout(clocks.connect):
            connected = await http.ws_connect(
                url,
                headers=headers,
                timeout=aiohttp.ClientWSTimeout(ws_close=clocks.close),
                autoclose=False,
                autoping=False,
                compress=0,
                max_msg_size=MOST_FRAME,
                decode_text=False,
            )
    except TimeoutError:
        failure = ConnectError(
            f"no connection to {_place(url)} within {clocks.connect:g} s", code="timeout"
        )
    except (aiohttp.ClientError, OSError, ValueError, RuntimeError, ConnectError) as error:
        failure = _failure(error, url)
    finally:
        if connected is None:
            await http.close()
    if connected is None:
        raise _hidden(failure or ConnectError("no connection"), secrets)
    return AiohttpTransport(connected, http, handshake.connection, secrets, clocks)


class AiohttpTransport:
    """A WebSocket of aiohttp's. Made by `dial`.

    When nothing comes for ``timeouts.heartbeat`` seconds the server is pinged, and when it does not answer
    within half as long the connection has ended: `receive` says so.
    """

    def __init__(
        self,
        socket: Socket,
        http: aiohttp.ClientSession,
        connection: asyncio.Transport | None,
        secrets: Iterable[str],
        clocks: Timeouts,
    ) -> None:
        self._socket = socket
        self._http = http
        self._connection = connection
        self._secrets = tuple((_mark(secret).encode(), secret.encode()) for secret in secrets)
        self._clocks = clocks
        self._end: Close | None = None
        self._aside: dict[str, asyncio.Task[None]] = {}
        self._unanswered = False
        self._heartbeat: Heartbeat | None = None
        if connection is not None:
            self._heartbeat = Heartbeat(
                connection, clocks.heartbeat, ping=self._ask, lost=self._give_up
            )

    def __repr__(self) -> str:
        return f"<AiohttpTransport {'open' if self._end is None else 'closed'}>"

    async def send(self, data: bytes) -> None:
        """See `Transport.send`."""
        lost = False
        try:
            await self._socket.send_frame(data, WSMsgType.TEXT)
        except (aiohttp.ClientError, OSError, RuntimeError):
            lost = True
        if lost:
            raise ConnectionResetError("the connection is gone")

    async def receive(self) -> str | bytes | Close:
        """See `Transport.receive`."""
        while self._end is None:
            message = await self._socket.receive()
            if message.type is _TEXT:  # nearly always
                return self._cleaned(message.data)
            match message.type:
                case WSMsgType.BINARY:
                    return self._cleaned(bytes(message.data))
                case WSMsgType.PING:
                    self._answer(message.data)
                case WSMsgType.PONG:
                    continue
                case _:
                    self._end = self._ended(message)
        return self._end

    async def close(self, code: int = 1000, reason: str = "") -> Close | None:
        """See `Transport.close`. Bounded by ``timeouts.close``."""
        polite = False
        try:
            async with asyncio.timeout(self._clocks.close):
                await self._socket.close(code=code, message=_short(reason))
                polite = True
        except TimeoutError:
            pass  # the peer takes or says nothing any more; what follows does not need it
        finally:
            self._free(polite)
            await self._http.close()
        self._end = self._end or Close("caller", code, reason)
        told = self._socket.close_code
        return Close("server", told) if polite and told not in (None, 1006) else None

    def _free(self, polite: bool) -> None:
        """Frees the socket, also one whose peer has stopped reading what we sent."""
        for task in self._aside.values():
            task.cancel()
        if self._heartbeat is not None:
            self._heartbeat.stop()
        connection = self._connection
        if connection is not None and (not polite or _unsent(connection)):
            connection.abort()

    def _answer(self, ping: bytes) -> None:
        self._beside("pong", self._socket.pong, ping)

    def _ask(self) -> None:
        self._beside("ping", self._socket.ping, b"")

    def _give_up(self) -> None:
        """Nobody is there any more, or nobody hears us. What is not yet written never will be."""
        self._unanswered = True
        if self._connection is not None:
            self._connection.abort()

    def _beside(self, name: str, send: _SendControl, data: bytes) -> None:
        """Sends beside the reader: what waits for a peer to read must not stop us from reading."""
        if name not in self._aside:
            self._aside[name] = asyncio.create_task(self._send_beside(name, send, data))

    async def _send_beside(self, name: str, send: _SendControl, data: bytes) -> None:
        try:
            await send(data)
        except (aiohttp.ClientError, OSError, RuntimeError):
            return  # the connection is gone: `receive` says so
        finally:
            del self._aside[name]

    def _ended(self, message: Any) -> Close:
        if self._unanswered:
            every = self._clocks.heartbeat
            words = f"the server did not answer a ping within {every / 2:g} s"
            return Close("network", None, words, silent=every * 1.5)
        end = _ended(message, self._socket.exception())
        return msgspec.structs.replace(end, reason=self._cleaned(end.reason.encode()).decode())

    def _cleaned(self, text: bytes) -> bytes:
        """Some gateways repeat the key that they refuse: it must not reach an error or a journal."""
        for mark, secret in self._secrets:
            if mark in text and secret in text:
                text = text.replace(secret, b"[hidden]")
        return text


class _Handshake:
    """Sees the answer to the upgrade request while its body can still be read."""

    def __init__(self) -> None:
        self.connection: asyncio.Transport | None = None

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        response = await handler(request)
        if response.status == 101:
            self.connection = response.connection.transport if response.connection else None
            return response
        if response.status in _REDIRECTS:
            target = response.headers.get("Location", "")
            if _same_origin(str(request.url), target):
                return response
            response.close()
            raise refusal(response.status, b"it redirects elsewhere, where no key is taken")
        body = await _body(response)
        response.close()
        raise refusal(response.status, body, response.headers)


def _session(given: HttpSession | None, handshake: _Handshake) -> aiohttp.ClientSession:
    """A session of our own for one dial: only its middleware sees the body of a refusal."""
    unbounded = aiohttp.ClientTimeout(total=None)  # `dial` has a bound of its own
    if given is None:
        return aiohttp.ClientSession(timeout=unbounded, middlewares=(handshake,))
    if given.closed:
        raise ConfigurationError("http_session is closed: pass an open one, or none")
    return aiohttp.ClientSession(
        connector=given.connector,
        connector_owner=False,
        cookie_jar=given.cookie_jar,
        headers=given.headers,
        proxy=getattr(given, "_default_proxy", None),
        proxy_auth=getattr(given, "_default_proxy_auth", None),
        trust_env=given.trust_env,
        trace_configs=given.trace_configs,
        timeout=unbounded,
        middlewares=(handshake,),
    )


async def _body(response: ClientResponse) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(_BODY_PATIENCE):
            while len(body) < _MOST_BODY and (more := await response.content.readany()):
                body += more
    except (TimeoutError, aiohttp.ClientError, OSError):
        return body  # what has come is shown; the status is known already
    return body


def _failure(error: Exception, url: str) -> RejoinderError:
    match error:
        case ConnectError():
            return error
        case aiohttp.InvalidURL() | ValueError():
            return ConfigurationError(
                "base_url or headers cannot be used for a connection: give an address such as "
                "'wss://api.openai.com/v1' and headers of plain text"
            )
        case RuntimeError():
            return ConfigurationError(
                "http_session belongs to another event loop: make it where the session is made"
            )
        case aiohttp.ClientSSLError() | aiohttp.ClientConnectorCertificateError():
            return ConnectError(f"no secure connection to {_place(url)}: {error}", code="tls")
        case aiohttp.WSServerHandshakeError():
            return ConnectError(
                f"{_place(url)} does not speak WebSocket: {error.message}",
                code="handshake",
                status=error.status,
            )
        case aiohttp.ClientConnectorError():
            return ConnectError(f"{_place(url)} cannot be reached: {error}", code="unreachable")
        case _:
            return ConnectError(
                f"{_place(url)} cannot be reached ({type(error).__name__})", code="unreachable"
            )


def _unsent(connection: asyncio.Transport) -> bool:
    """Whether something waits to be written."""
    try:
        return connection.get_write_buffer_size() > 0
    except AttributeError:
        # asyncio's transport of a TLS connection, once it was closed twice. aiohttp does that, and it has
        # aborted the connection before.
        return False


def _hidden(error: RejoinderError, secrets: Iterable[str]) -> RejoinderError:
    for secret in secrets:
        error.message = error.message.replace(secret, "[hidden]")
    error.args = (error.message,)
    return error.with_traceback(None)


def _secrets(headers: Mapping[str, str]) -> tuple[str, ...]:
    found = [
        value.rpartition(" ")[2] for name, value in headers.items() if name.lower() in _CREDENTIALS
    ]
    return tuple(secret for secret in found if len(secret) >= _SHORTEST_SECRET)


def _mark(secret: str) -> str:
    """What tells most frames from those with the secret: a character of it that audio does not have, since
    base64 has none of the kind. To look for one character costs next to nothing, for a key it does."""
    return next((each for each in secret if not each.isalnum() and each not in _PLAIN), secret)


def _ended(message: Any, error: BaseException | None) -> Close:
    match message.type:
        case WSMsgType.CLOSE:
            return Close("server", message.data or _NO_STATUS, message.extra or "")
        case WSMsgType.ERROR if isinstance(message.data, aiohttp.WebSocketError):
            return Close("network", message.data.code, line(str(message.data)))
        case _:
            why = f" ({type(error).__name__})" if error is not None else ""
            return Close("network", None, f"the connection ended without a close frame{why}")


def _same_origin(url: str, location: str) -> bool:
    """Whether a redirect stays with the same scheme, host and port. ``ws`` counts as ``http``."""
    here = url.replace("ws", "http", 1) if url.startswith("ws") else url
    if not location:
        return False
    try:
        return urlsplit(here)[:2] == urlsplit(urljoin(here, location))[:2]
    except ValueError:
        return False


def _place(url: str) -> str:
    """Where to, without what may be secret: user, password, path and query are left out."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def _short(reason: str) -> bytes:
    """A close frame has room for 123 bytes of reason (RFC 6455, 5.5)."""
    return reason.encode()[:123].decode("utf-8", "ignore").encode()
