"""A general HTTP client for questions asked beside the request path: bounded in time and size, redirects off."""

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any, Final

import aiohttp
import msgspec

from remuda.core.address import Address
from remuda.outbound.addresses import AddressRefused, Resolve, check_host, resolved
from remuda.outbound.question import read_bounded
from remuda.outbound.resolver import CheckedResolver
from remuda.wire.ndjson import LineSplitter

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024


MAX_LINE_BYTES: Final = 64 * 1024
MAX_ERROR_CHARS: Final = 500


class OutboundError(Exception):
    """A question that got no usable answer; the message says why and holds no credential."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """What was answered; None where nothing was."""


class NotJson(OutboundError):
    """The server answered, but not what was asked for."""


class NothingThere(NotJson):
    """The server has nothing at that place, or nothing that is asked so: 404, 405 or 501."""


class WebPage(NotJson):
    """The server answered well, with a page for people: it is another server than was meant, or another address."""


class OutboundClient:
    """Asks one server. `async with` it, or `close` it."""

    def __init__(
        self,
        address: Address,
        *,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        timeout_s: float = 10.0,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = resolved,
    ) -> None:
        """`resolve` is asked where an address that was given leads, at each connection."""
        self._resolve = resolve
        self._address = address
        self._headers = {name.decode(): value.decode("latin-1") for name, value in headers}
        self._timeout_s = timeout_s
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def get_json(self, path: str, *, base_path: str | None = None) -> Any:
        """The JSON at `path` below the server's base address, or below another path of the server; raises
        OutboundError, or NotJson for another answer."""
        return await self._ask("GET", path, base_path)

    async def post_json(self, path: str, value: Any, *, base_path: str | None = None) -> Any:
        """As `get_json`, for a question that says `value`."""
        return await self._ask("POST", path, base_path, msgspec.json.encode(value))

    async def call(self, method: str, path: str, body: bytes, *, base_path: str | None = None) -> tuple[int, bytes]:
        """The status and the body of what is answered, at most MAX_ANSWER_BYTES; raises OutboundError."""
        session = self._session or self._open()
        headers = {"Content-Type": "application/json"} if body else None
        url = self._url(path, base_path)
        try:
            async with session.request(
                method, url, data=body or None, headers=headers, allow_redirects=False
            ) as answer:
                said = await read_bounded(answer.content, MAX_ANSWER_BYTES)
                if said is None:
                    raise OutboundError("it answers with far too much", answer.status)
                return answer.status, said
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(error) from error

    async def post_lines(
        self, path: str, value: Any, on_line: Callable[[Any], None], *, base_path: str | None = None, silence_s: float
    ) -> None:
        """Say `value`, and hand on each line of JSON of the answer, however long it takes in all; raises OutboundError
        for another status than 200, after so many seconds of silence, and for what is no JSON."""
        session = self._session or self._open()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout_s, sock_read=silence_s)
        lines = LineSplitter()
        try:
            async with session.post(
                self._url(path, base_path), json=value, timeout=timeout, allow_redirects=False
            ) as answer:
                if answer.status != 200:
                    said = await read_bounded(answer.content, MAX_LINE_BYTES) or b""
                    raise OutboundError(error_said(said) or f"it answers {answer.status}", answer.status)
                async for piece in answer.content.iter_any():
                    for line in lines.feed(piece):
                        on_line(msgspec.json.decode(line))
                    if len(lines.carry) > MAX_LINE_BYTES:
                        raise OutboundError("it answers with a line without end", answer.status)
                if rest := lines.rest():
                    on_line(msgspec.json.decode(rest))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise NotJson("it answers something that is not JSON") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(error) from error

    async def upload(
        self,
        path: str,
        pieces: AsyncIterable[bytes],
        size: int | None,
        *,
        base_path: str | None = None,
        silence_s: float,
    ) -> tuple[int, bytes]:
        """Post `pieces` as they come, however many: bytes of a file, `size` in all where that is known. The status and
        the body of the answer; raises OutboundError, also where the server takes no piece, or says nothing after the
        last one, for so many seconds. How long a piece is waited for is the caller's business."""
        session = self._session or self._open()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout_s, sock_read=silence_s)
        headers = {"Content-Type": "application/octet-stream"}
        if size is not None:
            headers["Content-Length"] = str(size)
        now = asyncio.get_running_loop().time

        async def paced() -> AsyncIterator[bytes]:
            async for piece in pieces:
                patience.reschedule(now() + silence_s)
                yield piece
                patience.reschedule(None)

        try:
            async with (
                asyncio.timeout(None) as patience,
                session.post(
                    self._url(path, base_path), data=paced(), headers=headers, timeout=timeout, allow_redirects=False
                ) as answer,
            ):
                return answer.status, await read_bounded(answer.content, MAX_LINE_BYTES) or b""
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(error) from error

    def _url(self, path: str, base_path: str | None) -> str:
        address = self._address
        base = address.base_path if base_path is None else base_path
        return f"{'https' if address.is_tls else 'http'}://{address.authority}{base}{path}"

    async def _ask(self, method: str, path: str, base_path: str | None, said: bytes | None = None) -> Any:
        session = self._session or self._open()
        url = self._url(path, base_path)
        headers = {"Content-Type": "application/json"} if said is not None else None
        try:
            async with session.request(method, url, data=said, headers=headers, allow_redirects=False) as answer:
                body = await read_bounded(answer.content, MAX_ANSWER_BYTES)
                status, kind = answer.status, answer.content_type
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(error) from error
        if status in (404, 405, 501):
            raise NothingThere(f"it answers {status}", status)
        if status != 200:
            raise OutboundError(f"it answers {status}", status)
        if body is None:
            raise OutboundError("it answers with far too much", status)
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if kind == "text/html" or body.lstrip()[:1] == b"<":
                raise WebPage("it answers with a web page", status) from error
            raise NotJson("it answers something that is not JSON", status) from error

    async def close(self) -> None:
        """Close connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        path = self._address.socket_path
        if self._address.is_given:
            try:
                check_host(self._address.host)  # aiohttp asks no resolver for what is an address already
            except AddressRefused as refused:
                raise OutboundError(str(refused)) from refused
        connector: aiohttp.BaseConnector = (
            aiohttp.UnixConnector(path)
            if path is not None
            else aiohttp.TCPConnector(
                ssl=self._tls if self._tls is not None else True,
                resolver=CheckedResolver(self._resolve) if self._address.is_given else None,
            )
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self._session


def _unreachable(error: Exception) -> OutboundError:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(refused := cause.__cause__, AddressRefused):
        return OutboundError(str(refused))
    return OutboundError(f"it cannot be reached ({type(error).__name__})")


def error_said(body: bytes) -> str:
    """The sentence in `{"error": "..."}`, on one line and bounded; empty where there is none."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    error = said.get("error") if isinstance(said, dict) else None
    return " ".join(error.split())[:MAX_ERROR_CHARS] if isinstance(error, str) else ""
