"""A general HTTP client for questions asked beside the request path: bounded in time and size, redirects off."""

import socket
import ssl
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult

from remuda.core.address import Address
from remuda.outbound.addresses import AddressRefused, resolved
from remuda.outbound.question import read_bounded

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024


class OutboundError(Exception):
    """A question that got no usable answer; the message says why and holds no credential."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """What was answered; None where nothing was."""


class NotJson(OutboundError):
    """The server answered, but not what was asked for."""


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
    ) -> None:
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

    async def _ask(self, method: str, path: str, base_path: str | None, said: bytes | None = None) -> Any:
        session = self._session or self._open()
        address = self._address
        base = address.base_path if base_path is None else base_path
        url = f"{'https' if address.is_tls else 'http'}://{address.authority}{base}{path}"
        headers = {"Content-Type": "application/json"} if said is not None else None
        try:
            async with session.request(method, url, data=said, headers=headers, allow_redirects=False) as answer:
                body = await read_bounded(answer.content, MAX_ANSWER_BYTES)
                status, kind = answer.status, answer.content_type
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OutboundError(f"it cannot be reached ({type(error).__name__})") from error
        if status in (404, 405, 501):
            raise NotJson(f"it answers {status}", status)
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
        connector: aiohttp.BaseConnector = (
            aiohttp.UnixConnector(path)
            if path is not None
            else aiohttp.TCPConnector(
                ssl=self._tls if self._tls is not None else True,
                resolver=CheckedResolver() if self._address.is_given else None,
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


class CheckedResolver(AbstractResolver):
    """aiohttp's way to look names up, with the check. What it resolves to is what is connected to."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`; AddressRefused becomes the OSError that aiohttp expects."""
        try:
            addresses = await resolved(host, port)
        except AddressRefused as refused:
            raise OSError(str(refused)) from refused
        return [_result(host, port, address) for address in addresses]

    async def close(self) -> None:
        """Nothing is held."""


def _result(host: str, port: int, address: str) -> ResolveResult:
    family: Any = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
