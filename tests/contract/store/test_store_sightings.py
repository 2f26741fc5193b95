"""What was seen of nodes, on each kind of database."""

import asyncio

import pytest

from remuda.store import Store, StoreRefused
from remuda.store.sightings import MAX_BODY_BYTES, forget_sightings, read_sightings, write_sightings


async def test_what_was_seen_last_counts_and_only_what_is_new_is_read(store: Store):
    assert await read_sightings(store) == (0, {})
    await write_sightings(store, {"one": "up", "two": "up"})
    version, seen = await read_sightings(store)
    assert seen == {"one": "up", "two": "up"}
    assert await read_sightings(store, version) == (version, {})
    await write_sightings(store, {"two": "down"})
    later, changed = await read_sightings(store, version)
    assert changed == {"two": "down"}
    assert later > version
    assert (await read_sightings(store))[1] == {"one": "up", "two": "down"}


async def test_nothing_seen_changes_nothing(store: Store):
    await write_sightings(store, {})
    assert await read_sightings(store) == (0, {})


async def test_nodes_that_are_gone_are_forgotten(store: Store):
    await write_sightings(store, {"one": "up", "two": "up"})
    await forget_sightings(store, ["two", "three"])
    assert (await read_sightings(store))[1] == {"two": "up"}


async def test_no_change_is_missed_by_a_reader_beside_many_writers(store: Store):
    seen: dict[str, str] = {}
    version = 0

    async def follow() -> None:
        nonlocal version
        while len(seen) < 20:
            version, changed = await read_sightings(store, version)
            seen.update(changed)

    writers = [write_sightings(store, {f"n{number}": "up"}) for number in range(20)]
    async with asyncio.timeout(30):
        await asyncio.gather(follow(), *writers)
    assert set(seen) == {f"n{number}" for number in range(20)}


async def test_what_is_too_long_is_refused(store: Store):
    with pytest.raises(StoreRefused, match="too long"):
        await write_sightings(store, {"one": "x" * (MAX_BODY_BYTES + 1)})
