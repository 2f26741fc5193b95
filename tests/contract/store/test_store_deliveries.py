"""Deliveries, on each kind of database."""

import asyncio

import pytest
from tests.contract.store.samples import NOON, a_record
from tests.contract.store.test_store_task_claims import claim, completed, tidy
from tests.contract.store.test_store_tasks import new, submit

from remuda.core.delivery import ClaimedDelivery, DeliveryState, Sent
from remuda.core.task import Ending, TaskState
from remuda.store import Store
from remuda.store.deliveries import (
    claim_deliveries,
    deliveries_of,
    forget_deliveries,
    has_due_deliveries,
    settle_delivery,
)
from remuda.store.task_claims import finish_tasks
from remuda.store.tasks import cancel_task, retry_task

LONG = 3600.0
WELL = Sent(is_delivered=True, status=204)
BADLY = Sent(is_delivered=False, status=500, error="it answers 500")


async def ended(store: Store, *ids: str) -> None:
    """Tasks that name a webhook, and are over."""
    await submit(store, *(new(id_, webhook="http://h/", user_id="u", time_limit_s=9.0) for id_ in ids))
    for _ in ids:
        got = await claim(store)
        await finish_tasks(store, [(got, completed(got.id))], NOON, LONG)


async def taken(store: Store, sender: str = "s", lease_s: float = LONG) -> list[ClaimedDelivery]:
    return await claim_deliveries(store, sender, 10, NOON, lease_s)


async def test_an_end_is_due_once_with_all_that_is_told(store: Store):
    await submit(store, new("a", webhook="http://h/", user_id="u", time_limit_s=9.0), new("b"))
    for _ in range(2):
        got = await claim(store)
        end = (got, completed(got.id))
        await finish_tasks(store, [end], NOON, LONG)
        assert await finish_tasks(store, [end], NOON, LONG) == [None]
    await cancel_task(store, "a", NOON, LONG)
    assert await has_due_deliveries(store, NOON)
    [delivery] = await taken(store)
    task = delivery.task
    assert (task.id, task.state, task.model, task.key_id, task.user_id) == ("a", TaskState.COMPLETED, "m", "k", "u")
    assert (task.progress, task.prompt_tokens, task.time_limit_s, task.attempts) == (7, 3, 9.0, 1)
    assert task.finished_at is not None
    assert (delivery.text, delivery.url, delivery.attempt, delivery.number) == ("text", "http://h/", 1, 1)
    assert not await has_due_deliveries(store, NOON)


@pytest.mark.parametrize("state", [TaskState.FAILED, TaskState.DEAD])
async def test_other_ends(store: Store, state: TaskState):
    await submit(store, new("a", webhook="http://h/"))
    got = await claim(store)
    ending = Ending(state, b"", None, 500, "engine_down", "it is down", a_record(id="a"))
    await finish_tasks(store, [(got, ending)], NOON, LONG)
    [delivery] = await taken(store)
    assert (delivery.task.state, delivery.task.error_type, delivery.task.error_message) == (
        state,
        "engine_down",
        "it is down",
    )


async def test_a_task_whose_workers_died_is_told(store: Store):
    await submit(store, new("a", webhook="http://h/"))
    await claim(store, lease_s=-1.0)
    await tidy(store, max_attempts=1)
    await tidy(store, max_attempts=1)
    assert [entry.event for entry in await deliveries_of(store, "a")] == ["task.dead"]


async def test_each_end_has_a_delivery_of_its_own(store: Store):
    await submit(store, new("a", webhook="http://h/"))
    await cancel_task(store, "a", NOON, LONG)
    await cancel_task(store, "a", NOON, LONG)
    await retry_task(store, "a", NOON)
    await cancel_task(store, "a", NOON, LONG)
    entries = await deliveries_of(store, "a")
    assert [entry.event for entry in entries] == ["task.cancelled"] * 2
    assert len({entry.message_id for entry in entries}) == 2


async def test_each_delivery_goes_to_one_of_many_senders(store: Store):
    await ended(store, *(f"t{n}" for n in range(20)))

    async def send(name: str) -> list[int]:
        mine: list[int] = []
        while got := await claim_deliveries(store, name, 3, NOON, LONG):
            mine += [each.seq for each in got]
        return mine

    everything = [seq for mine in await asyncio.gather(*(send(f"s{n}") for n in range(4))) for seq in mine]
    assert len(everything) == len(set(everything)) == 20


async def test_origins_that_have_enough_are_passed_over(store: Store):
    await submit(store, new("a", webhook="http://One/x?y"), new("b", webhook="http://two"))
    for id_ in "ab":
        await cancel_task(store, id_, NOON, LONG)
    assert not await has_due_deliveries(store, NOON, ["http://one", "http://two"])
    assert await has_due_deliveries(store, NOON, ["http://one"])
    [got] = await claim_deliveries(store, "s", 9, NOON, LONG, ["http://one"])
    assert (got.task.id, got.origin) == ("b", "http://two")
    [got] = await claim_deliveries(store, "s", 9, NOON, LONG)
    assert (got.task.id, got.origin) == ("a", "http://one")


async def test_what_came_of_it_is_kept(store: Store):
    await ended(store, "a")
    [first] = await taken(store)
    assert await settle_delivery(store, first, BADLY, NOON, again_s=-1.0, retention_s=LONG)
    [entry] = await deliveries_of(store, "a")
    assert (entry.state, entry.attempts, entry.status, entry.error) == (DeliveryState.DUE, 1, 500, "it answers 500")
    [second] = await taken(store)
    assert (second.attempt, second.message_id, second.text) == (2, first.message_id, "text")
    assert await settle_delivery(store, second, WELL, NOON, again_s=None, retention_s=LONG)
    [entry] = await deliveries_of(store, "a")
    assert (entry.state, entry.attempts, entry.status, entry.error) == (DeliveryState.DELIVERED, 2, 204, "")
    assert entry.delivered_at is not None
    assert await taken(store) == []


async def test_a_sender_that_is_gone_loses_its_claim(store: Store):
    await ended(store, "a")
    [lost] = await taken(store, "gone", lease_s=-1.0)
    [again] = await taken(store, "other")
    assert not await settle_delivery(store, lost, WELL, NOON, again_s=None, retention_s=LONG)
    assert await settle_delivery(store, again, BADLY, NOON, again_s=None, retention_s=LONG)
    assert [entry.state for entry in await deliveries_of(store, "a")] == [DeliveryState.GIVEN_UP]


async def test_one_is_forgotten_when_its_time_is_over(store: Store):
    await ended(store, "a", "b")
    first, second = await taken(store)
    await settle_delivery(store, first, WELL, NOON, again_s=None, retention_s=-1.0)
    await settle_delivery(store, second, WELL, NOON, again_s=None, retention_s=LONG)
    assert await forget_deliveries(store, NOON) == 1
    assert await deliveries_of(store, first.task.id) == []
    assert len(await deliveries_of(store, second.task.id)) == 1


async def test_a_clock_that_was_put_back_delays_nothing_for_ever(store: Store):
    await ended(store, "a")
    [first] = await taken(store)
    await settle_delivery(store, first, BADLY, NOON, again_s=30 * 24 * LONG, retention_s=LONG)
    assert await has_due_deliveries(store, NOON)
