"""What was seen of nodes, on each kind of database."""

import asyncio
from collections.abc import Mapping

import pytest
from tests.contract.store.samples import NOON

from remuda.store import Store, StoreRefused
from remuda.store.leases import drop_lease, take_lease
from remuda.store.sightings import ALL, MAX_BODY_BYTES, read_sightings, write_sightings

NODES = ("one", "two")


@pytest.fixture(autouse=True)
async def _leads(store: Store) -> None:
    assert await take_lease(store, "nodes", "me", NOON, 3600.0)


async def write(store: Store, seen: Mapping[str, str], kept: tuple[str, ...] = NODES, holder: str = "me") -> None:
    await write_sightings(store, seen, kept, lease="nodes", holder=holder)


async def test_what_was_seen_last_counts_and_only_what_is_new_is_read(store: Store):
    assert await read_sightings(store) == (0, {})
    await write(store, {"one": "up", "two": "up"})
    version, seen = await read_sightings(store) or (ALL, {})
    assert seen == {"one": "up", "two": "up"}
    assert await read_sightings(store, version) is None
    await write(store, {"two": "down"})
    later, changed = await read_sightings(store, version) or (ALL, {})
    assert changed == {"one": None, "two": "down"}
    assert later > version
    assert await read_sightings(store) == (later, {"one": "up", "two": "down"})


async def test_nodes_that_are_not_kept_are_forgotten(store: Store):
    await write(store, {"one": "up", "two": "up"})
    await write(store, {}, ("two", "three"))
    assert await read_sightings(store) == (2, {"two": "up"})
    await write(store, {"three": "up"}, ("two",))
    assert await read_sightings(store, 2) == (3, {"two": None, "three": "up"})
    await write(store, {}, ())
    assert await read_sightings(store, 3) == (4, {})


async def test_who_has_lost_the_lease_writes_nothing(store: Store):
    await write(store, {"one": "up"})
    with pytest.raises(StoreRefused, match="nodes"):
        await write(store, {"one": "down"}, ("one",), holder="another")
    await drop_lease(store, "nodes", "me")
    with pytest.raises(StoreRefused, match="nodes"):
        await write(store, {"one": "down"}, ("one",))
    assert await read_sightings(store) == (1, {"one": "up"})


async def test_no_change_is_missed_by_a_reader_beside_many_writers(store: Store):
    seen: dict[str, str] = {}
    nodes = tuple(f"n{number}" for number in range(20))
    version = ALL

    async def follow() -> None:
        nonlocal version
        while len(seen) < 20:
            version, told = await read_sightings(store, version) or (version, {})
            seen.update({node: body for node, body in told.items() if body is not None})

    writers = [write(store, {node: "up"}, nodes) for node in nodes]
    async with asyncio.timeout(30):
        await asyncio.gather(follow(), *writers)
    assert set(seen) == set(nodes)


async def test_what_is_too_long_is_refused(store: Store):
    with pytest.raises(StoreRefused, match="too long"):
        await write(store, {"one": "x" * (MAX_BODY_BYTES + 1)})
