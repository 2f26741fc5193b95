"""Deliveries, on each kind of database."""

import pytest
from tests.contract.store.samples import NOON, a_record
from tests.contract.store.test_store_task_claims import claim, completed, tidy
from tests.contract.store.test_store_tasks import new, submit

from remuda.core.delivery import ClaimedDelivery
from remuda.core.task import Ending, TaskState
from remuda.store import Store
from remuda.store.deliveries import TASK_OUTBOX, deliveries_of
from remuda.store.task_claims import finish_tasks
from remuda.store.tasks import cancel_task, retry_task

LONG = 3600.0


async def ended(store: Store, *ids: str) -> None:
    """Tasks that name a webhook, and are over."""
    await submit(store, *(new(id_, webhook="http://h/", user_id="u", time_limit_s=9.0) for id_ in ids))
    for _ in ids:
        got = await claim(store)
        await finish_tasks(store, [(got, completed(got.id))], NOON, LONG)


async def taken(store: Store, sender: str = "s", lease_s: float = LONG) -> list[ClaimedDelivery]:
    return await TASK_OUTBOX.claim(store, sender, 10, NOON, lease_s)


async def test_an_end_is_due_once_with_all_that_is_told(store: Store):
    await submit(store, new("a", webhook="http://h/", user_id="u", time_limit_s=9.0), new("b"))
    for _ in range(2):
        got = await claim(store)
        end = (got, completed(got.id))
        await finish_tasks(store, [end], NOON, LONG)
        assert await finish_tasks(store, [end], NOON, LONG) == [None]
    await cancel_task(store, "a", NOON, LONG)
    assert await TASK_OUTBOX.has_due(store, NOON)
    [delivery] = await taken(store)
    task = delivery.task
    assert (task.id, task.state, task.model, task.key_id, task.user_id) == ("a", TaskState.COMPLETED, "m", "k", "u")
    assert (task.progress, task.prompt_tokens, task.time_limit_s, task.attempts) == (7, 3, 9.0, 1)
    assert task.finished_at is not None
    assert (delivery.text, delivery.url, delivery.attempt, delivery.number) == ("text", "http://h/", 1, 1)
    assert not await TASK_OUTBOX.has_due(store, NOON)


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
