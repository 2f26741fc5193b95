"""Messages on a real store, to a real receiver: those of tasks stand for all."""

import asyncio

import pytest
from aiohttp import web
from tests.fixtures.receiver import Receiver
from tests.unit.jobs.test_webhooks import ended, receiver, sending, state_of, store, until_settled

from remuda.core.clock import SystemClock
from remuda.core.delivery import DeliveryState
from remuda.outbound.courier import CONCURRENCY, PER_ORIGIN, CourierRules, backoff_s
from remuda.store import Store
from remuda.store.deliveries import TASK_OUTBOX

__all__ = ["receiver", "store"]


async def test_what_a_killed_sender_had_is_sent_again(store: Store, receiver: Receiver):
    await ended(store, receiver.url)
    await TASK_OUTBOX.claim(store, "killed", 1, SystemClock.wall(), lease_s=-1.0)
    async with sending(store) as webhooks:
        await receiver.got(1)
        await until_settled(store, webhooks, "delivered")
    assert await state_of(store) == (DeliveryState.DELIVERED, 2)


async def test_one_that_ends_its_senders_each_time_is_given_up(store: Store, receiver: Receiver):
    await ended(store, receiver.url)
    for _ in range(2):
        await TASK_OUTBOX.claim(store, "killed", 1, SystemClock.wall(), lease_s=-1.0)
    async with sending(store, CourierRules(max_attempts=2)) as webhooks:
        await until_settled(store, webhooks, "given_up")
    assert (await state_of(store))[0] is DeliveryState.GIVEN_UP
    assert receiver.seen == []


async def test_one_that_fails_is_tried_again(store: Store, receiver: Receiver):
    receiver.answers = [web.Response(status=500)]
    await ended(store, receiver.url)
    async with sending(store) as webhooks:
        await receiver.got(2)
        await until_settled(store, webhooks, "delivered")
        assert webhooks.counts == {"delivered": 1, "failed": 1, "given_up": 0}
    assert await state_of(store) == (DeliveryState.DELIVERED, 2)


async def test_a_receiver_that_hangs_keeps_no_other_from_being_told(store: Store, receiver: Receiver):
    receiver.gate = asyncio.Event()
    for number in range(CONCURRENCY + 1):
        await ended(store, receiver.url, f"slow {number}")
    async with Receiver() as other, sending(store):
        await ended(store, other.url)
        assert (await other.got(1)).body == b"a"
        assert PER_ORIGIN <= len(receiver.seen) < CONCURRENCY


async def test_one_that_is_lost_to_another_counts_for_nothing(store: Store, receiver: Receiver):
    await ended(store, receiver.url)
    [claim] = await TASK_OUTBOX.claim(store, "s", 1, SystemClock.wall(), lease_s=-1.0)
    async with sending(store) as webhooks:
        await until_settled(store, webhooks, "delivered")
        await webhooks._see_through(claim)
        assert webhooks.counts["delivered"] == 1


@pytest.mark.parametrize(
    ("attempt", "chance", "wait_s"),
    [(1, 0.0, 2.5), (1, 1.0, 5.0), (3, 1.0, 20.0), (50, 1.0, 3600.0), (2000, 0.0, 1800.0)],
)
def test_backoff(attempt: int, chance: float, wait_s: float):
    assert backoff_s(CourierRules(), attempt, chance) == wait_s
