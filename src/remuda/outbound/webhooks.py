"""Webhooks: where they may go, how they are signed, and how one is sent.

Signed as Standard Webhooks says (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md): over
`id.timestamp.body`, with HMAC-SHA256, in the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`.
"""

import asyncio
import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from remuda.core.delivery import Sent
from remuda.outbound.addresses import AddressRefused, Resolve, check_host, meant, refusal, resolved
from remuda.outbound.http import OutboundError
from remuda.outbound.resolver import CheckedResolver

MAX_URL_CHARS: Final = 2048
LOOK_UP_S: Final = 2.0
"""How long whoever names a URL waits for what its name stands for."""
_HOST: Final = re.compile(r"[A-Za-z0-9._:%-]+")
_PREFIX: Final = "whsec_"

Network = IPv4Network | IPv6Network


class Reach:
    """Where webhooks may go: to public addresses, and into those private networks that are allowed. Not even these
    open what is called at no time (link-local addresses, those where clouds keep credentials)."""

    def __init__(self, allowed: Sequence[Network] = (), resolve: Resolve = resolved) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve

    def check_url(self, url: str) -> None:
        """Raise AddressRefused, with a clear sentence, for what is no URL of a webhook or leads to an address that may
        not be called. Names are looked up by `resolve`."""
        host = _host_in(url)
        check_host(host)
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return
        self._check(host, address)

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of `host`, all of which may be called; raises AddressRefused, OSError."""
        found = await self._resolve(host, port)
        for each in found:
            self._check(host, ip_address(each.partition("%")[0]))
        return found

    async def check(self, url: str) -> None:
        """As `check_url`, for what its host stands for now as well. A name that stands for nothing at the moment is let
        pass: it is looked at again whenever it is called."""
        self.check_url(url)
        with suppress(OSError):  # a timeout is one
            async with asyncio.timeout(LOOK_UP_S):
                await self.resolve(_host_in(url), 0)

    def _check(self, host: str, address: IPv4Address | IPv6Address) -> None:
        inner = meant(address)
        is_allowed = any(inner.version == network.version and inner in network for network in self._allowed)
        if (why := refusal(inner, only_public=not is_allowed)) is not None:
            raise AddressRefused(f"{host} is {why}: no webhook is sent there")


class Sender:
    """Sends webhooks: each on a connection of its own, whose address is checked; bounded in time; of an
    answer no more than its head is read; redirects are not followed."""

    def __init__(self, reach: Reach, *, timeout_s: float, agent: str) -> None:
        self._reach = reach
        self._timeout_s = timeout_s
        self._agent = agent
        self._session: aiohttp.ClientSession | None = None

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status that is answered; raises OutboundError where none is."""
        try:
            self._reach.check_url(url)  # aiohttp asks no resolver for what is an address already
        except AddressRefused as refused:
            raise OutboundError(str(refused)) from refused
        session = self._session or self._open()
        try:
            async with session.post(
                URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
            ) as answer:
                return answer.status  # what else it says is of no interest, and is not read
        except TimeoutError as error:
            raise OutboundError(f"it does not answer within {self._timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise OutboundError(_reason(error)) from error

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=CheckedResolver(self._reach.resolve), use_dns_cache=False, force_close=True
            ),
            headers={"Content-Type": "application/json", "User-Agent": self._agent},
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self._session


async def send_signed(
    sender: Sender, key: Callable[[], bytes], url: str, message_id: str, body: bytes, now: float
) -> Sent:
    """What came of sending a message, signed at the wall time `now` with what `key` gives, which may raise
    ValueError."""
    try:
        status = await sender.send(url, signed_headers(key(), message_id, int(now), body), body)
    except OutboundError as error:
        return Sent(is_delivered=False, status=error.status, error=str(error))
    except ValueError as error:  # of the key, in words that hold nothing of it
        return Sent(is_delivered=False, error=f"it cannot be signed: {error}")
    if 200 <= status <= 299:
        return Sent(is_delivered=True, status=status)
    said = "it answers with a redirect, which is not followed" if 300 <= status <= 399 else f"it answers {status}"
    return Sent(is_delivered=False, status=status, error=said)


def signed_headers(key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a message. `timestamp`: of this attempt, whole seconds since 1970."""
    signed = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def key_in(secret: str) -> bytes:
    """The key that a secret stands for: what follows `whsec_` in base64, as the standard writes it, else its bytes."""
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def secret_of(key: bytes) -> str:
    """A key as the standard writes it."""
    return _PREFIX + base64.b64encode(key).decode()


def shown_url(url: str) -> str:
    """Where a URL leads, without what may be a secret in its query."""
    return url.partition("?")[0]


def _host_in(url: str) -> str:
    if len(url) > MAX_URL_CHARS or not url.isascii() or not url.isprintable() or " " in url:
        raise AddressRefused(f"a webhook's URL is at most {MAX_URL_CHARS} printable ASCII characters without spaces")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddressRefused("a webhook's URL is http(s)://host[:port][/path]") from None
    if parts.scheme not in ("http", "https") or not host or not _HOST.fullmatch(host) or port == 0:
        raise AddressRefused("a webhook's URL is http(s)://host[:port][/path]")
    if parts.username is not None or parts.password is not None or "\\" in parts.netloc:
        raise AddressRefused("a webhook's URL holds no user name or password")
    # Whoever checks and whoever connects must read the same host.
    if (URL(url, encoded=True).host or "").lower() != host:
        raise AddressRefused("a webhook's URL is http(s)://host[:port][/path]")
    return host


def _reason(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(refused := cause.__cause__, AddressRefused):
        return str(refused)
    return f"it cannot be reached ({type(error).__name__})"
