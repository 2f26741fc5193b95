"""The workers' side of tasks, on each kind of database."""

import asyncio

import pytest
from sqlalchemy import update
from tests.contract.store.samples import NOON, a_record
from tests.contract.store.test_store_tasks import new, submit

from remuda.core.priority import Priority
from remuda.core.task import Claim, Ending, Progress, TaskState
from remuda.store import Store
from remuda.store.journal_reading import JournalFilter, journal_entry, journal_page
from remuda.store.ledger import Ledger
from remuda.store.schema import tasks
from remuda.store.task_claims import (
    LET_GO_S,
    Tidied,
    beat,
    claim_tasks,
    finish_tasks,
    put_back,
    tidy_tasks,
    waiting_models,
)
from remuda.store.tasks import cancel_task, find_task, retry_task, task_result

LONG = 3600.0


async def claim(store: Store, worker: str = "w", lease_s: float = LONG) -> Claim:
    [got] = await claim_tasks(store, worker, "m", 1, NOON, lease_s)
    return got


async def state_of(store: Store, id_: str) -> TaskState:
    task = await find_task(store, id_)
    assert task is not None
    return task.state


async def journalled(store: Store) -> list[tuple[str, int]]:
    page = await journal_page(store, JournalFilter(), limit=100)
    return [(entry.record.id, entry.record.status) for entry in page.entries]


async def tidy(store: Store, max_attempts: int = 3, backoff_s: float = 0.0, retention_s: float = LONG) -> Tidied:
    return await tidy_tasks(
        store,
        NOON,
        max_attempts=max_attempts,
        backoff_s=backoff_s,
        max_backoff_s=LONG,
        lease_s=LONG,
        retention_s=retention_s,
    )


def completed(id_: str) -> Ending:
    record = a_record(id=id_, status=200, completion_tokens=7, prompt_tokens=3)
    return Ending(TaskState.COMPLETED, b'{"a":1}', "text", 200, record=record)


async def test_a_claim_has_all_that_is_needed(store: Store):
    await submit(store, new("a", body=b'{"x":1}', priority=Priority.LOW, time_limit_s=9.0, user_id="u"))
    got = await claim(store)
    assert (got.id, got.number, got.worker, got.attempt, got.key_id, got.user_id) == ("a", 1, "w", 1, "k", "u")
    assert (got.path, got.model, got.body, got.priority, got.time_limit_s) == (
        "/v1/chat/completions",
        "m",
        b'{"x":1}',
        Priority.LOW,
        9.0,
    )
    assert await state_of(store, "a") is TaskState.RUNNING


async def test_each_task_goes_to_one_of_many_workers(store: Store):
    await submit(store, *(new(f"t{n}") for n in range(60)))

    async def work(name: str) -> list[str]:
        mine: list[str] = []
        while got := await claim_tasks(store, name, "m", 3, NOON, LONG):
            mine += [each.id for each in got]
        return mine

    taken = await asyncio.gather(*(work(f"w{n}") for n in range(6)))
    everything = [id_ for mine in taken for id_ in mine]
    assert sorted(everything) == sorted({*everything})
    assert len(everything) == 60


async def test_the_last_class_has_its_turn(store: Store):
    await submit(store, new("first", priority=Priority.NORMAL), new("last", priority=Priority.BACKGROUND))
    [got] = await claim_tasks(store, "w", "m", 1, NOON, LONG, last_class_first=True)
    assert got.id == "last"


async def test_models_that_wait(store: Store):
    await submit(store, new("1", model="b"), new("2", model="a"), new("3", model="b"), new("4", model="c"))
    assert await waiting_models(store) == ["a", "b", "c"]
    await claim_tasks(store, "w", "a", 1, NOON, LONG)
    assert await waiting_models(store) == ["b", "c"]


async def test_how_it_ended_and_what_it_used_are_kept_together(store: Store):
    await submit(store, new("a"))
    got = await claim(store)
    assert await finish_tasks(store, [(got, completed("a"))], NOON, LONG) == [TaskState.COMPLETED]
    found = await task_result(store, "a")
    assert found is not None
    assert (found.text, found.result, found.status) == ("text", b'{"a":1}', 200)
    assert (found.task.state, found.task.progress, found.task.prompt_tokens) == (TaskState.COMPLETED, 7, 3)
    assert await journalled(store) == [("a", 200)]
    # Offered again, because the answer to the commit was lost.
    assert await finish_tasks(store, [(got, completed("a"))], NOON, LONG) == [None]
    assert await journalled(store) == [("a", 200)]


async def test_of_two_that_work_on_it_the_one_that_holds_it_counts(store: Store):
    await submit(store, new("a"))
    first = await claim(store, "one", lease_s=0.0)
    assert (await tidy(store)).lost == [("a", TaskState.DELAYED)]
    assert (await tidy(store)).readied in (0, 1)
    second = await claim(store, "two")
    assert await finish_tasks(store, [(first, completed("a"))], NOON, LONG) == [None]
    assert await finish_tasks(store, [(second, completed("a"))], NOON, LONG) == [TaskState.COMPLETED]
    assert await journalled(store) == [("a", 200)]


async def test_heartbeats_keep_what_is_held_and_tell_what_is_not(store: Store):
    await submit(store, new("a"), new("b"), new("c"))
    mine = await claim_tasks(store, "w", "m", 3, NOON, 0.0)
    await cancel_task(store, "b", NOON, LONG)
    progress = [Progress(each.id, each.number, 5) for each in mine]
    stale = progress[2]._replace(claim=9)
    assert await beat(store, "w", [*progress[:2], stale], NOON, LONG) == {"a"}
    assert await beat(store, "other", progress, NOON, LONG) == set()
    task = await find_task(store, "a")
    assert task is not None
    assert task.progress == 5
    assert [id_ for id_, _ in (await tidy(store)).lost] == ["c"]


async def test_what_was_cancelled_meanwhile_stays_so_and_is_recorded_once(store: Store):
    await submit(store, new("a"))
    got = await claim(store)
    await cancel_task(store, "a", NOON, LONG)
    ending = Ending(TaskState.CANCELLED, record=a_record(id="a", status=499))
    assert await finish_tasks(store, [(got, ending)], NOON, LONG) == [TaskState.CANCELLED]
    assert await finish_tasks(store, [(got, ending)], NOON, LONG) == [None]
    assert await state_of(store, "a") is TaskState.CANCELLED
    assert await journalled(store) == [("a", 499)]


async def test_what_was_cancelled_and_whose_worker_has_died_is_recorded_all_the_same(store: Store):
    await submit(store, new("a"), new("b"))
    got = await claim(store)
    await beat(store, "w", [Progress("a", got.number, 5)], NOON, LONG)
    await cancel_task(store, "a", NOON, LONG)
    await cancel_task(store, "b", NOON, LONG)  # nobody had it
    await tidy(store)
    assert await journalled(store) == []
    long_ago = update(tasks).values(finished_at=tasks.c.finished_at - LET_GO_S - 1.0)
    await store.write(lambda connection: connection.execute(long_ago))
    await tidy(store)
    await tidy(store)
    page = await journal_page(store, JournalFilter(), limit=100)
    [record] = [entry.record for entry in page.entries]
    assert (record.id, record.status, record.fault, record.completion_tokens) == ("a", 499, "client_gone", 5)
    ending = Ending(TaskState.CANCELLED, record=a_record(id="a", status=499))
    assert await finish_tasks(store, [(got, ending)], NOON, LONG) == [None]
    assert len(await journalled(store)) == 1


async def test_a_worker_that_is_slow_to_let_go_does_not_end_what_was_asked_for_again(store: Store):
    await submit(store, new("a"))
    got = await claim(store)
    await cancel_task(store, "a", NOON, LONG)
    await retry_task(store, "a", NOON)
    assert await finish_tasks(store, [(got, completed("a"))], NOON, LONG) == [None]
    assert await state_of(store, "a") is TaskState.QUEUED


@pytest.mark.parametrize(("counts", "attempt"), [(True, 2), (False, 1)])
async def test_what_is_put_back_is_tried_again(store: Store, counts: bool, attempt: int):
    await submit(store, new("a"))
    got = await claim(store)
    assert await put_back(store, got, NOON, delay_s=0.0, error_type="e", error_message="m", counts=counts)
    assert not await put_back(store, got, NOON, delay_s=0.0, error_type="e", error_message="m", counts=counts)
    again = await claim(store)
    assert (again.attempt, again.number) == (attempt, 2)


async def test_a_delayed_task_waits_for_its_time(store: Store):
    await submit(store, new("a"), new("b"))
    for got in await claim_tasks(store, "w", "m", 2, NOON, LONG):
        delay_s = 600.0 if got.id == "a" else 0.000_001
        await put_back(store, got, NOON, delay_s=delay_s, error_type="e", error_message="m", counts=True)
    assert await claim_tasks(store, "w", "m", 2, NOON, LONG) == []
    await tidy_tasks(store, NOON + 1, max_attempts=3, backoff_s=0, max_backoff_s=LONG, lease_s=LONG, retention_s=LONG)
    assert [each.id for each in await claim_tasks(store, "w", "m", 2, NOON, LONG)] == ["b"]
    assert await state_of(store, "a") is TaskState.DELAYED


async def test_who_takes_its_workers_with_it_is_dead_in_the_end(store: Store):
    await submit(store, new("a"))
    await claim(store, lease_s=0.0)
    assert (await tidy(store, max_attempts=1)).lost == [("a", TaskState.DEAD)]
    task = await find_task(store, "a")
    assert task is not None
    assert (task.error_type, task.finished_at is not None) == ("WorkerLost", True)
    assert await journalled(store) == [("a", 500)]


async def test_what_is_over_is_forgotten_in_time(store: Store):
    await submit(store, new("a"), new("b"))
    for got in await claim_tasks(store, "w", "m", 2, NOON, LONG):
        await finish_tasks(store, [(got, completed(got.id))], NOON, 0.0 if got.id == "a" else LONG)
    assert (await tidy(store)).forgotten == 1
    assert await find_task(store, "a") is None
    assert await state_of(store, "b") is TaskState.COMPLETED


async def test_a_lease_of_a_clock_that_was_wrong_does_not_last_for_ever(store: Store):
    await submit(store, new("a"))
    await claim(store, lease_s=LONG * 1e6)
    assert (await tidy(store)).lost == [("a", TaskState.DELAYED)]


async def test_a_delay_of_a_clock_that_was_wrong_does_not_last_for_ever(store: Store):
    await submit(store, new("a"))
    await put_back(store, await claim(store), NOON, delay_s=LONG * 2.1, error_type="e", error_message="", counts=True)
    assert (await tidy(store)).readied == 1


async def test_what_an_engine_said_keeps_nothing_from_being_committed(store: Store):
    """A text that a database does not take would be offered again for ever, and all that ended with it."""
    await submit(store, new("a"), new("b"))
    first, second = await claim_tasks(store, "w", "m", 2, NOON, LONG)
    odd = completed("a")._replace(text="one\x00two \ud800", error_message="\x00")
    assert await finish_tasks(store, [(first, odd), (second, completed("b"))], NOON, LONG) == [TaskState.COMPLETED] * 2
    found = await task_result(store, "a")
    assert found is not None
    assert found.text == "one\ufffdtwo ?"
    await submit(store, new("c"))
    got = await claim(store)
    assert await put_back(store, got, NOON, delay_s=0.0, error_type="e", error_message="a\x00b", counts=True)


async def test_what_must_not_be_kept_of_a_task_is_taken_out(store: Store):
    store.ledger = Ledger(redact=lambda records: [record._replace(answer_text="***") for record in records])
    await submit(store, new("a"))
    got = await claim(store)
    ending = completed("a")
    assert ending.record is not None
    kept = ending._replace(record=ending.record._replace(prompt_text="p", answer_text="a secret"))
    assert await finish_tasks(store, [(got, kept)], NOON, LONG) == [TaskState.COMPLETED]
    entry = await journal_entry(store, 1)
    assert entry is not None
    assert (entry.record.prompt_text, entry.record.answer_text) == ("p", "***")
