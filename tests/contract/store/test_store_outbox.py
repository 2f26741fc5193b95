"""Messages that are due, on each kind of database: those of tasks stand for all."""

import asyncio

from tests.contract.store.samples import NOON
from tests.contract.store.test_store_deliveries import LONG, ended, taken
from tests.contract.store.test_store_tasks import new, submit

from remuda.core.delivery import DeliveryState, Sent
from remuda.store import Store
from remuda.store.deliveries import TASK_OUTBOX, deliveries_of
from remuda.store.tasks import cancel_task

WELL = Sent(is_delivered=True, status=204)
BADLY = Sent(is_delivered=False, status=500, error="it answers 500")


async def test_each_delivery_goes_to_one_of_many_senders(store: Store):
    await ended(store, *(f"t{n}" for n in range(20)))

    async def send(name: str) -> list[int]:
        mine: list[int] = []
        while got := await TASK_OUTBOX.claim(store, name, 3, NOON, LONG):
            mine += [each.seq for each in got]
        return mine

    everything = [seq for mine in await asyncio.gather(*(send(f"s{n}") for n in range(4))) for seq in mine]
    assert len(everything) == len(set(everything)) == 20


async def test_origins_that_have_enough_are_passed_over(store: Store):
    await submit(store, new("a", webhook="http://One/x?y"), new("b", webhook="http://two"))
    for id_ in "ab":
        await cancel_task(store, id_, NOON, LONG)
    assert not await TASK_OUTBOX.has_due(store, NOON, ["http://one", "http://two"])
    assert await TASK_OUTBOX.has_due(store, NOON, ["http://one"])
    [got] = await TASK_OUTBOX.claim(store, "s", 9, NOON, LONG, ["http://one"])
    assert (got.task.id, got.origin) == ("b", "http://two")
    [got] = await TASK_OUTBOX.claim(store, "s", 9, NOON, LONG)
    assert (got.task.id, got.origin) == ("a", "http://one")


async def test_what_came_of_it_is_kept(store: Store):
    await ended(store, "a")
    [first] = await taken(store)
    assert await TASK_OUTBOX.settle(store, first, BADLY, NOON, again_s=-1.0, retention_s=LONG)
    [entry] = await deliveries_of(store, "a")
    assert (entry.state, entry.attempts, entry.status, entry.error) == (DeliveryState.DUE, 1, 500, "it answers 500")
    [second] = await taken(store)
    assert (second.attempt, second.message_id, second.text) == (2, first.message_id, "text")
    assert await TASK_OUTBOX.settle(store, second, WELL, NOON, again_s=None, retention_s=LONG)
    [entry] = await deliveries_of(store, "a")
    assert (entry.state, entry.attempts, entry.status, entry.error) == (DeliveryState.DELIVERED, 2, 204, "")
    assert entry.delivered_at is not None
    assert await taken(store) == []


async def test_a_sender_that_is_gone_loses_its_claim(store: Store):
    await ended(store, "a")
    [lost] = await taken(store, "gone", lease_s=-1.0)
    [again] = await taken(store, "other")
    assert not await TASK_OUTBOX.settle(store, lost, WELL, NOON, again_s=None, retention_s=LONG)
    assert await TASK_OUTBOX.settle(store, again, BADLY, NOON, again_s=None, retention_s=LONG)
    assert [entry.state for entry in await deliveries_of(store, "a")] == [DeliveryState.GIVEN_UP]


async def test_one_is_forgotten_when_its_time_is_over(store: Store):
    await ended(store, "a", "b")
    first, second = await taken(store)
    await TASK_OUTBOX.settle(store, first, WELL, NOON, again_s=None, retention_s=-1.0)
    await TASK_OUTBOX.settle(store, second, WELL, NOON, again_s=None, retention_s=LONG)
    assert await TASK_OUTBOX.forget(store, NOON) == 1
    assert await deliveries_of(store, first.task.id) == []
    assert len(await deliveries_of(store, second.task.id)) == 1


async def test_a_clock_that_was_put_back_delays_nothing_for_ever(store: Store):
    await ended(store, "a")
    [first] = await taken(store)
    await TASK_OUTBOX.settle(store, first, BADLY, NOON, again_s=30 * 24 * LONG, retention_s=LONG)
    assert await TASK_OUTBOX.has_due(store, NOON)
