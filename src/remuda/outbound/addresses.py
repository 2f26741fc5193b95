"""The one check of addresses that are given, in the settings or while it runs: what the gateway may be made to call.

A server of one's own may stand on this machine or in a private network. Nothing that is worth asking stands at a
link-local address, at those where clouds keep machines' credentials, or at no single machine at all; whoever could
have such an address asked would read what only this machine is to know (server-side request forgery). Names are
checked by what they resolve to, each time anew: what a name meant when it was given says nothing of what it means now.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from remuda.core.address import Address, parse_address

_NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052: its last 32 bits are an IPv4 address."""
_NUMBER: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)\.?", re.IGNORECASE)
_METADATA: Final = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",  # Amazon, Azure, Google, OpenStack and most others; link-local, too
            "fd00:ec2::254",  # Amazon by IPv6
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure's own agent
            "192.0.0.192",  # Oracle
        ),
    )
)

_PODMANS_HOST: Final = IPv4Address("169.254.1.2")
"""Where Podman's containers find the machine they are on (`host.containers.internal`, since Podman 5.3 with pasta)."""

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The IP addresses that a host and port stand for, all checked; raises AddressRefused, OSError."""


class AddressRefused(ValueError):
    """Nothing is called there. The message is a clear sentence for whoever gave the address."""


def given_address(url: str, *, only_public: bool = False) -> Address:
    """The address of a URL that came from elsewhere than this machine's own settings (no unix socket, therefore),
    marked to be checked whenever it is connected to. Raises AddressRefused, ValueError where it is no address.

    `only_public`, here and below: for what has no business on this machine or in its networks.
    """
    address = parse_address(url)
    if address.socket_path is not None:
        raise AddressRefused("a unix socket can only be named in the settings of the machine it is on")
    check_host(address.host, only_public=only_public)
    return replace(address, is_given=True)


def check_host(host: str, *, only_public: bool = False) -> bool:
    """Whether `host` is an IP address that may be called; names are checked later. Raises AddressRefused where it is
    one at which nothing is called, or in a spelling that not all programs read alike (`127.1`, `0x7f000001`)."""
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        if ":" in host or _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
            raise AddressRefused(f"{host} is an address in an unusual spelling: write it in the usual one") from None
        return False
    if (why := refusal(found, only_public=only_public)) is not None:
        raise AddressRefused(f"{host} is {why}: nothing is called there")
    return True


def refusal(address: IPv4Address | IPv6Address, *, only_public: bool = False) -> str | None:
    """Why nothing is called at `address`, in words that follow "it is"; None: it may be called."""
    inner = meant(address)
    if inner in _METADATA:
        return "where a cloud keeps its machines' credentials"
    if inner.is_link_local and (only_public or inner != _PODMANS_HOST):
        return "a link-local address"
    if inner.is_multicast:
        return "a multicast address"
    if inner.is_unspecified or inner == IPv4Address("255.255.255.255"):
        return "no machine's address"
    if only_public and not inner.is_global:
        return "an address of this machine or of a private network"
    return None


async def resolved(host: str, port: int, *, only_public: bool = False) -> list[str]:
    """The IP addresses that `host` stands for. Raises AddressRefused where something is not called at any of them:
    a name that stands for such a place beside others was made to. OSError where it cannot be resolved."""
    if check_host(host, only_public=only_public):
        return [host]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        if (why := refusal(ip_address(address.partition("%")[0]), only_public=only_public)) is not None:
            raise AddressRefused(f"{host} stands for {address}, which is {why}: nothing is called there")
    return addresses


def meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address means, where it is only a way to write one."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
