"""Pieces of streams are written together, in their order, and before anything else is waited for."""

import asyncio
from typing import cast

from remuda.gateway.outlet import MOST_BYTES, Outlet


class Client:
    """A transport that keeps what is written to it, in a list of all."""

    def __init__(self, written: list[tuple["Client", bytes]]) -> None:
        self._written = written
        self.is_closed = False

    @property
    def transport(self) -> asyncio.WriteTransport:
        return cast(asyncio.WriteTransport, self)

    def is_closing(self) -> bool:
        return self.is_closed

    def write(self, data: bytes) -> None:
        self._written.append((self, data))


async def test_what_a_turn_brings_is_written_when_it_is_over() -> None:
    written: list[tuple[Client, bytes]] = []
    one, two = Client(written), Client(written)
    outlet = Outlet(asyncio.get_running_loop())
    outlet.put(one.transport, b"a")
    outlet.put(two.transport, b"b")
    outlet.put(one.transport, b"c")
    assert written == []
    await asyncio.sleep(0)
    assert written == [(one, b"a"), (two, b"b"), (one, b"c")]
    outlet.put(two.transport, b"d")
    await asyncio.sleep(0)
    assert written[3:] == [(two, b"d")]


async def test_what_cannot_wait_is_written_at_once() -> None:
    written: list[tuple[Client, bytes]] = []
    one = Client(written)
    outlet = Outlet(asyncio.get_running_loop())
    outlet.put(one.transport, b"a")
    outlet.flush()
    assert written == [(one, b"a")]
    outlet.flush()
    await asyncio.sleep(0)
    assert written == [(one, b"a")], "and once"


async def test_pieces_for_the_same_client_are_one() -> None:
    written: list[tuple[Client, bytes]] = []
    one, two = Client(written), Client(written)
    outlet = Outlet(asyncio.get_running_loop())
    for client, data in ((one, b"a"), (one, b"b"), (two, b"c"), (one, b"d")):
        outlet.put(client.transport, data)
    outlet.flush()
    assert written == [(one, b"ab"), (two, b"c"), (one, b"d")]


async def test_a_turn_that_brings_much_does_not_make_it_wait() -> None:
    written: list[tuple[Client, bytes]] = []
    clients = [Client(written) for _ in range(5)]
    outlet = Outlet(asyncio.get_running_loop(), most=3)
    for client in clients[:4]:
        outlet.put(client.transport, b"x")
    assert [client for client, _ in written] == clients[:3]
    outlet.put(clients[4].transport, bytes(MOST_BYTES - 1))
    assert [client for client, _ in written] == clients
    await asyncio.sleep(0)
    assert len(written) == 5


async def test_who_has_left_meanwhile_is_passed_over() -> None:
    written: list[tuple[Client, bytes]] = []
    one, two = Client(written), Client(written)
    outlet = Outlet(asyncio.get_running_loop())
    outlet.put(one.transport, b"a")
    outlet.put(two.transport, b"b")
    one.is_closed = True
    await asyncio.sleep(0)
    assert written == [(two, b"b")]


class Source:
    """Counts how often it was told to read on."""

    def __init__(self) -> None:
        self.told = 0

    def read_on(self) -> None:
        self.told += 1


async def test_who_brings_more_in_a_turn_than_much_rests_until_it_is_over() -> None:
    written: list[tuple[Client, bytes]] = []
    outlet, source = Outlet(asyncio.get_running_loop(), much=3), Source()
    said = [outlet.put(Client(written).transport, b"x") for _ in range(4)]
    assert said == [False, False, False, True]
    outlet.rest(source)
    assert source.told == 0
    await asyncio.sleep(0)
    assert (source.told, len(written)) == (1, 4)
    assert outlet.put(Client(written).transport, b"x") is False, "a new turn"
    await asyncio.sleep(0)
    assert source.told == 1


async def test_turns_are_told_apart_also_where_nothing_waits() -> None:
    written: list[tuple[Client, bytes]] = []
    outlet = Outlet(asyncio.get_running_loop(), most=1, much=1)
    for _ in range(3):
        assert outlet.put(Client(written).transport, b"x") is False
        await asyncio.sleep(0)
    assert len(written) == 3
