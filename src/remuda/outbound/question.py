"""One small question to a server, for people: what it said, or in words why it said nothing."""

import json
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from remuda.core.address import Address
from remuda.outbound.addresses import AddressRefused, Resolve, check_host, resolved
from remuda.outbound.resolver import CheckedResolver

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""A list of models is far below this."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body's JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class NoAnswer(Exception):
    """Nothing came back. The message says why, in words that follow the server's name."""


async def ask(
    address: Address,
    path: str,
    *,
    key: str | None = None,
    ca_file: Path | None = None,
    timeout_s: float = 5.0,
    resolve: Resolve = resolved,
) -> Answer:
    """GET `path` below the server's base path. Follows no redirects. `resolve` is asked where an address that was
    given leads. Raises NoAnswer."""
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = f"{'https' if address.is_tls else 'http'}://{address.authority}{address.base_path}{path}"
    try:
        trusted = ssl.create_default_context(cafile=str(ca_file)) if ca_file else True
        if address.is_given:
            check_host(address.host)
        resolver = CheckedResolver(resolve) if address.is_given else None
        connector = (
            aiohttp.UnixConnector(address.socket_path)
            if address.socket_path
            else aiohttp.TCPConnector(ssl=trusted, resolver=resolver)
        )
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            body = await read_bounded(response.content, MAX_ANSWER_BYTES)
            if body is None:
                raise NoAnswer("answers with far too much")
            return Answer(response.status, body)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise NoAnswer(_reason(error, timeout_s)) from None


async def read_bounded(stream: aiohttp.StreamReader, max_bytes: int) -> bytes | None:
    """All of `stream`, which arrives in pieces; None where it is longer than `max_bytes`."""
    body = bytearray()
    async for piece in stream.iter_any():
        body += piece
        if len(body) > max_bytes:
            return None
    return bytes(body)


def _reason(error: BaseException, timeout_s: float) -> str:
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error.__cause__, AddressRefused):
        error = error.os_error.__cause__
    match error:
        case AddressRefused():
            return f"is not asked: {error}"
        case TimeoutError():
            return f"does not answer within {timeout_s:g} s"
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return "has a certificate that is not trusted here"
        case aiohttp.ClientConnectorDNSError():
            return "has a name that cannot be resolved"
        case ssl.SSLError() | aiohttp.ClientSSLError():
            return "does not speak TLS as expected"
        case aiohttp.ClientConnectorError():
            return f"cannot be reached: {_words(error.os_error)}"
        case OSError():
            return f"cannot be reached: {_words(error)}"
    return "closes the connection or does not speak HTTP"


def _words(error: OSError) -> str:
    """The system's own words: the event loop's name the address once more instead."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
