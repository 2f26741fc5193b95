"""Leases, on each kind of database."""

import asyncio

from tests.contract.store.samples import NOON

from remuda.store import Store
from remuda.store.leases import drop_lease, lease_holder, take_lease

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
