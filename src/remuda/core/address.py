"""Where an inference server listens."""

import re
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

_HOST = re.compile(r"[A-Za-z0-9._-]+|[A-Fa-f0-9.]*:[A-Fa-f0-9:.]*(?:%[A-Za-z0-9._-]+)?")
_PATH = re.compile(r"[!-\[\]-~]*")
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """A server's base address: TCP, TLS or a unix socket, and the path its API stands under."""

    host: str
    port: int
    is_tls: bool = False
    socket_path: str | None = None
    """A unix socket; then host and port only name the server in the Host header."""
    base_path: str = ""
    """Without a trailing slash; `/v1` is part of it where the user's URL had it."""
    is_given: bool = False
    """Somebody gave it, in the settings or while the gateway ran: what its name stands for is checked at each
    connection."""

    @property
    def authority(self) -> str:
        """Value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.is_tls else 80
        return host if self.port == default or self.socket_path else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as a URL, without credentials."""
        if self.socket_path:
            return f"unix:{self.socket_path}"
        return f"{'https' if self.is_tls else 'http'}://{self.authority}{self.base_path}"


def parse_address(url: str) -> Address:
    """The address of `http(s)://host[:port][/base]` or `unix:/path/to.sock`; raises ValueError, a clear sentence."""
    if url.startswith("unix:"):
        path = url.removeprefix("unix:")
        if not path.startswith("/"):
            raise ValueError(f"{url!r}: a unix socket is written unix:/absolute/path")
        return Address(host="localhost", port=80, socket_path=path)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"{url!r}: an upstream's address starts with http://, https:// or unix:/")
    if parts.username or parts.password:
        raise ValueError("an upstream's address holds no user name or password: give its key apart")
    if not parts.hostname:
        raise ValueError(f"{url!r}: the address names no host")
    if not _HOST.fullmatch(parts.hostname):
        raise ValueError(f"{url!r}: a host is written in letters, digits, dots and hyphens, without percent-escapes")
    if parts.query or parts.fragment:
        raise ValueError(f"{url!r}: an upstream's address has no query and no fragment")
    if not _PATH.fullmatch(parts.path) or _DOT_SEGMENT.search(parts.path):
        raise ValueError(f"{url!r}: the path is written as it is sent, without . and .. in it, spaces and the like")
    is_tls = parts.scheme == "https"
    return Address(
        host=parts.hostname,
        port=_port_in(parts, url) or (443 if is_tls else 80),
        is_tls=is_tls,
        base_path=parts.path.rstrip("/"),
    )


def _port_in(parts: SplitResult, url: str) -> int | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"{url!r}: a port is a number from 1 to 65535")
    return port


def place_of(url: str) -> str:
    """Where a server is, however its address is written: the same for all ways to write one place. With or without the
    `/v1` that is meant anyway; this machine by any of its own addresses. What is no address stands for itself."""
    try:
        address = parse_address(url)
    except ValueError:
        return url
    return replace(address, host=_host_meant(address.host)).url.removesuffix("/v1")


def _host_meant(host: str) -> str:
    name = host.lower().removesuffix(".")
    if name == "localhost":
        return "127.0.0.1"
    try:
        found = ip_address(name)
    except ValueError:
        return name
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or found
    # A server that listens at the one is asked for at the other: nobody runs two at one port of this machine.
    return "127.0.0.1" if found == IPv6Address("::1") else str(found)
