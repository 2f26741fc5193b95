"""Names are looked up with the check."""

import pytest

from remuda.outbound.addresses import AddressRefused
from remuda.outbound.resolver import CheckedResolver


async def test_all_addresses_of_a_name_are_told_each_with_its_family() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1", "::1"]

    told = await CheckedResolver(resolve).resolve("gpu.example", 80)
    assert [(each["host"], each["port"], each["family"].name) for each in told] == [
        ("127.0.0.1", 80, "AF_INET"),
        ("::1", 80, "AF_INET6"),
    ]


async def test_a_name_that_is_refused_cannot_be_connected_to() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise AddressRefused(f"{host} stands for a place")

    with pytest.raises(OSError, match="stands for a place") as caught:
        await CheckedResolver(resolve).resolve("gpu.example", 80)
    assert isinstance(caught.value.__cause__, AddressRefused)
