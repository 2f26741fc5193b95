"""Tasks, submitted and looked up, on each kind of database."""

import asyncio
from typing import Any

import pytest
from tests.contract.store.samples import NOON, a_key

from remuda.core.priority import Priority
from remuda.core.task import Claim, Ending, NewTask, TaskState
from remuda.store import Store, StoreRefused
from remuda.store.keys import create_key
from remuda.store.task_claims import claim_tasks, finish_tasks
from remuda.store.tasks import (
    TaskFilter,
    backlog,
    cancel_task,
    find_task,
    position_of,
    retry_task,
    standing,
    states_of,
    submit_tasks,
    task_page,
    task_result,
)


def new(id_: str, **values: Any) -> NewTask:
    usual = {"key_id": "k", "dialect": "tasks", "path": "/v1/chat/completions", "model": "m", "body": b"{}"}
    return NewTask(id=id_, **{**usual, **values})


async def submit(store: Store, *tasks: NewTask) -> None:
    assert all(each.is_new for each in await submit_tasks(store, tasks, NOON))


async def order(store: Store, model: str = "m") -> list[str]:
    """Ids in the order in which they are claimed."""
    claims: list[Claim] = []
    while got := await claim_tasks(store, "w", model, 1, NOON, 60.0):
        claims += got
    return [claim.id for claim in claims]


async def test_what_is_submitted_is_there(store: Store):
    await submit(store, new("a", user_id="u", webhook="http://h/", time_limit_s=5.0, priority=Priority.LOW))
    task = await find_task(store, "a")
    assert task is not None
    assert (task.id, task.state, task.priority, task.model, task.key_id, task.user_id, task.webhook) == (
        "a",
        TaskState.QUEUED,
        Priority.LOW,
        "m",
        "k",
        "u",
        "http://h/",
    )
    assert (task.attempts, task.claims, task.started_at, task.finished_at) == (0, 0, None, None)
    assert await find_task(store, "b") is None
    assert await task_result(store, "b") is None


async def test_an_idempotency_key_is_one_task_for_each_key(store: Store):
    first = await submit_tasks(store, [new("a", idempotency_key="same")], NOON)
    again = await submit_tasks(store, [new("b", idempotency_key="same")], NOON)
    other = await submit_tasks(store, [new("c", idempotency_key="same", key_id="other")], NOON)
    assert [each.id for each in (*first, *again, *other)] == ["a", "a", "c"]
    assert [each.is_new for each in (*first, *again, *other)] == [True, False, True]


async def test_the_same_idempotency_key_at_once_makes_one_task(store: Store):
    async def one(number: int) -> str:
        for _ in range(2):
            try:
                [submitted] = await submit_tasks(store, [new(f"t{number}", idempotency_key="same")], NOON)
            except StoreRefused:
                continue  # somebody else's commit came between: it is there now
            return submitted.id
        raise AssertionError("refused twice")

    assert len(set(await asyncio.gather(*(one(number) for number in range(8))))) == 1


async def test_the_same_idempotency_key_twice_in_one_go_makes_one_task(store: Store):
    words = ["same", None, "same", "else", None]
    submitted = await submit_tasks(store, [new(f"t{n}", idempotency_key=word) for n, word in enumerate(words)], NOON)
    assert [(each.id, each.is_new) for each in submitted] == [
        ("t0", True),
        ("t1", True),
        ("t0", False),
        ("t3", True),
        ("t4", True),
    ]
    assert await order(store) == ["t0", "t1", "t3", "t4"]


async def test_many_lines_in_one_go_have_each_their_own_turns(store: Store):
    """More keys and models than one statement looks up."""
    many = [new(f"{turn}-{key}", key_id=f"k{key:03}", model=f"m{key % 2}") for turn in range(2) for key in range(150)]
    await submit(store, *many)
    for model in range(2):
        keys = range(model, 150, 2)
        assert await order(store, f"m{model}") == [f"{turn}-{key}" for turn in range(2) for key in keys]


async def test_keys_take_turns_and_a_keys_own_come_in_order(store: Store):
    await submit(store, *(new(f"a{n}", key_id="a") for n in range(5)))
    await submit(store, *(new(f"b{n}", key_id="b") for n in range(2)))
    await submit(store, new("c0", key_id="c"))
    assert await order(store) == ["a0", "b0", "c0", "a1", "b1", "a2", "a3", "a4"]


async def test_a_heavier_key_has_more_turns(store: Store):
    await create_key(store, a_key("a", id="a", weight=3))
    await submit(store, *(new(f"a{n}", key_id="a") for n in range(6)))
    await submit(store, *(new(f"b{n}", key_id="b") for n in range(2)))
    assert await order(store) == ["a0", "b0", "a1", "a2", "a3", "b1", "a4", "a5"]


async def test_who_comes_late_does_not_wait_for_what_has_been_done(store: Store):
    await submit(store, *(new(f"a{n}", key_id="a") for n in range(10)))
    assert len(await claim_tasks(store, "w", "m", 6, NOON, 60.0)) == 6
    await submit(store, new("b0", key_id="b"), new("b1", key_id="b"))
    assert await order(store) == ["a6", "b0", "a7", "b1", "a8", "a9"]


async def test_classes_come_one_after_the_other(store: Store):
    await submit(store, new("last"), new("low", priority=Priority.LOW), new("normal", priority=Priority.NORMAL))
    assert await order(store) == ["normal", "low", "last"]


async def test_the_place_of_a_task(store: Store):
    await submit(store, *(new(f"a{n}", key_id="a") for n in range(3)), new("b", key_id="b"), new("x", model="other"))
    assert [await position_of(store, id_) for id_ in ("a0", "b", "a1", "a2", "x", "nobody")] == [1, 2, 3, 4, 1, None]
    await claim_tasks(store, "w", "m", 1, NOON, 60.0)
    assert [await position_of(store, id_) for id_ in ("a0", "b", "a1")] == [None, 1, 2]


async def test_pages_go_from_new_to_old(store: Store):
    await submit(store, *(new(f"t{n}", key_id="ab"[n % 2], user_id="xyz"[n % 3]) for n in range(12)))
    page = await task_page(store, TaskFilter(), 5)
    assert [task.id for task in page] == ["t11", "t10", "t9", "t8", "t7"]
    page = await task_page(store, TaskFilter(), 5, before=page[-1].seq)
    assert [task.id for task in page] == ["t6", "t5", "t4", "t3", "t2"]
    assert [task.id for task in await task_page(store, TaskFilter(key_id="a", user_id="x"), 5)] == ["t6", "t0"]
    assert await task_page(store, TaskFilter(states=[TaskState.RUNNING]), 5) == []
    assert len(await task_page(store, TaskFilter(states=[TaskState.QUEUED, TaskState.DEAD], model="m"), 50)) == 12
    first = (await find_task(store, "t0")) or pytest.fail("gone")
    assert len(await task_page(store, TaskFilter(since=first.created_at), 50)) == 12
    assert len(await task_page(store, TaskFilter(until=first.created_at), 50)) == 0


async def test_what_waits_is_counted(store: Store):
    await submit(store, new("a"), new("b"), new("c", key_id="other", model="n"))
    await claim_tasks(store, "w", "m", 1, NOON, 60.0)
    waiting = await backlog(store)
    assert (waiting.by_key, waiting.by_model, waiting.total) == ({"k": 1, "other": 1}, {"m": 1, "n": 1}, 2)


async def test_a_task_is_cancelled_once_and_not_when_it_is_over(store: Store):
    await submit(store, new("a"), new("b"))
    task = await cancel_task(store, "a", NOON, 60.0)
    assert task is not None
    assert task.state is TaskState.CANCELLED
    assert await cancel_task(store, "nobody", NOON, 60.0) is None
    [claim] = await claim_tasks(store, "w", "m", 5, NOON, 60.0)
    assert claim.id == "b"
    await finish_tasks(store, [(claim, Ending(TaskState.COMPLETED, b"{}", "text", 200))], NOON, 60.0)
    task = await cancel_task(store, "b", NOON, 60.0)
    assert task is not None
    assert task.state is TaskState.COMPLETED


async def test_what_failed_runs_again_when_it_is_asked_for(store: Store):
    await submit(store, new("a"))
    [claim] = await claim_tasks(store, "w", "m", 1, NOON, 60.0)
    await finish_tasks(store, [(claim, Ending(TaskState.DEAD, error_type="e", error_message="m"))], NOON, 60.0)
    task = await retry_task(store, "a", NOON)
    assert task is not None
    assert (task.state, task.attempts, task.error_type, task.finished_at) == (TaskState.QUEUED, 0, "", None)
    [again] = await claim_tasks(store, "w", "m", 1, NOON, 60.0)
    assert (again.attempt, again.number) == (1, 2)
    assert (await retry_task(store, "a", NOON) or pytest.fail("gone")).state is TaskState.RUNNING
    assert await retry_task(store, "nobody", NOON) is None


async def test_many_are_looked_up_at_once(store: Store):
    await submit(store, new("a"), new("b"))
    await cancel_task(store, "b", NOON, 60.0)
    found = await states_of(store, ["a", "b", "c", *(f"x{n}" for n in range(2000))])
    assert found == {"a": (TaskState.QUEUED, 0), "b": (TaskState.CANCELLED, 0)}


async def test_words_that_no_database_takes_are_refused(store: Store):
    with pytest.raises(StoreRefused):
        await submit_tasks(store, [new("a", user_id="x\x00y")], NOON)
    assert await find_task(store, "a") is None


async def test_how_far_behind_the_work_is(store: Store):
    empty = await standing(store, NOON)
    assert (sum(empty.waiting.values()), empty.lag_s) == (0, 0.0)
    await submit(store, new("a"), new("b", priority=Priority.LOW), new("c", priority=Priority.LOW))
    found = await standing(store, NOON + 5.0)
    assert (found.waiting[Priority.BACKGROUND], found.waiting[Priority.LOW]) == (1, 2)
    assert found.lag_s >= 0.0
