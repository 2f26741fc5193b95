"""aiohttp's way to look names up, with the check of addresses."""

import socket
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from remuda.outbound.addresses import AddressRefused, Resolve


class CheckedResolver(AbstractResolver):
    """What it resolves to is what is connected to. aiohttp asks it for names alone, not for what is an address."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`; AddressRefused becomes the OSError that aiohttp expects."""
        try:
            addresses = await self._resolve(host, port)
        except AddressRefused as refused:
            raise OSError(str(refused)) from refused
        return [_result(host, port, address) for address in addresses]

    async def close(self) -> None:
        """Nothing is held."""


def _result(host: str, port: int, address: str) -> ResolveResult:
    family: Any = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
