"""Leases, on each kind of database."""

import asyncio

import pytest
from tests.contract.store.samples import NOON

from remuda.store import Store
from remuda.store.leases import MAX_HOLDER, drop_lease, has_lease, keep_lease, lease_holder, take_lease

TTL_S = 3600.0
"""Longer than any test: on Postgres the server's clock counts."""


async def test_a_free_lease_is_taken_and_then_nobody_elses(store: Store):
    assert await lease_holder(store, "probes") is None
    assert await take_lease(store, "probes", "one", NOON, TTL_S)
    assert not await take_lease(store, "probes", "two", NOON, TTL_S)
    assert await lease_holder(store, "probes") == "one"


async def test_its_holder_renews_it_and_others_have_leases_of_other_names(store: Store):
    assert await take_lease(store, "probes", "one", NOON, TTL_S)
    assert await take_lease(store, "probes", "one", NOON + 1, TTL_S)
    assert await take_lease(store, "alerts", "two", NOON + 1, TTL_S)


async def test_an_expired_lease_is_free(store: Store):
    assert await take_lease(store, "probes", "one", NOON, 0.0)
    assert await take_lease(store, "probes", "two", NOON + 1, TTL_S)
    assert not await take_lease(store, "probes", "one", NOON + 1, TTL_S)


async def test_a_lease_that_is_given_up_is_free_at_once(store: Store):
    assert await take_lease(store, "probes", "one", NOON, TTL_S)
    await drop_lease(store, "probes", "two")
    assert await lease_holder(store, "probes") == "one"
    await drop_lease(store, "probes", "one")
    assert await take_lease(store, "probes", "two", NOON, TTL_S)


async def test_of_many_that_ask_at_once_one_gets_it(store: Store):
    got = await asyncio.gather(*(take_lease(store, "probes", f"g{number}", NOON, TTL_S) for number in range(20)))
    assert got.count(True) == 1


async def test_what_a_clock_that_was_wrong_has_written_does_not_last_for_ever(store: Store):
    assert await take_lease(store, "probes", "one", NOON, TTL_S * 1e6)
    assert await take_lease(store, "probes", "two", NOON, TTL_S)


async def keep(store: Store, holder: str, ttl_s: float = TTL_S) -> bool:
    return await keep_lease(store, "nodes", holder, lambda: NOON, ttl_s)


async def test_a_lease_is_kept_by_whoever_asks_again_in_time(store: Store):
    assert await keep(store, "one")
    for _ in range(3):
        assert not await keep(store, "two")
        assert not await keep(store, "three")
        assert await keep(store, "one")


async def test_a_lease_is_lost_by_whoever_does_not_ask_again_once_another_one_has(store: Store):
    assert await keep(store, "one")
    assert not await keep(store, "two", 0.0), "its holder has just been told that somebody wants it"
    assert await keep(store, "two", 0.0)
    assert not await keep(store, "one")
    assert await lease_holder(store, "nodes") == "two"


async def test_a_kept_lease_that_is_given_up_is_free_at_once(store: Store):
    assert await keep(store, "one")
    await drop_lease(store, "nodes", "one")
    assert await keep(store, "two")


async def test_of_many_that_would_keep_it_one_does(store: Store):
    got = await asyncio.gather(*(keep(store, f"g{number}") for number in range(20)))
    assert got.count(True) == 1


async def test_what_a_wrong_clock_has_written_of_a_kept_lease_lasts_no_longer_than_another(store: Store):
    assert await take_lease(store, "nodes", "one", NOON, TTL_S * 1e6)
    assert not await keep(store, "two", 0.0)
    assert await keep(store, "two", 0.0)


@pytest.mark.parametrize("holder", ["one", "x" * (MAX_HOLDER + 1)])
async def test_who_has_a_lease_is_known_within_a_transaction(store: Store, holder: str):
    for _ in range(2):
        assert await keep(store, holder)
    assert await store.read(lambda connection: has_lease(connection, "nodes", holder))
    assert not await store.read(lambda connection: has_lease(connection, "nodes", "two"))
    assert not await store.read(lambda connection: has_lease(connection, "probes", holder))
