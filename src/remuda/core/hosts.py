"""Host names and ports as people write them."""

from ipaddress import IPv6Address, ip_address
from typing import NamedTuple


class Bind(NamedTuple):
    """Where to listen."""

    host: str
    """Without brackets."""
    port: int
    """0 lets the system choose."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach `host`: `localhost`, 127.0.0.0/8, `::1` (brackets allowed).

    Any other name is foreign: what it resolves to is not ours to trust.
    """
    bare = host.removeprefix("[").removesuffix("]").rstrip(".").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        address = ip_address(bare)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def parse_host(text: str) -> str:
    """A host to bind: an IP address or a plain name, without brackets; raises ValueError with a clear sentence."""
    is_bracketed = text.startswith("[") and text.endswith("]")
    host = text[1:-1] if is_bracketed else text
    if not host:
        raise ValueError("names no host: 127.0.0.1 is this machine only, 0.0.0.0 every network")
    if ":" in host or is_bracketed:
        try:
            return str(IPv6Address(host))
        except ValueError:
            raise ValueError(f"{text!r} is no host and no IPv6 address (a port is given apart)") from None
    labels = host.rstrip(".").split(".")
    if len(host) > 253 or not all(_is_label(label) for label in labels):
        raise ValueError(f"{text!r} is no host name and no address")
    if labels[-1].isdigit():
        try:
            ip_address(host)
        except ValueError:
            raise ValueError(f"{text!r} is no IPv4 address") from None
    return host


def parse_bind(text: str) -> Bind:
    """The place that `host:port` or `[IPv6]:port` names; raises ValueError with a clear sentence."""
    host, colon, digits = text.rpartition(":")
    is_bare_ipv6 = ":" in host and not (host.startswith("[") and host.endswith("]"))
    if not colon or is_bare_ipv6 or not (digits.isascii() and digits.isdigit()) or int(digits[:6]) > 65_535:
        raise ValueError(f"{text!r}: write host:port, an IPv6 address in brackets, the port from 0 to 65535")
    return Bind(parse_host(host), int(digits))


def _is_label(label: str) -> bool:
    plain = label.replace("-", "").replace("_", "")
    return 0 < len(label) <= 63 and plain.isascii() and plain.isalnum() and label[0] != "-" and label[-1] != "-"
