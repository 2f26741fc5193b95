"""The way in, on a real store."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from remuda.core.clock import SystemClock
from remuda.core.faults import InvalidRequest, QueueFull, RateLimited, Taken, Unavailable, UnknownTask
from remuda.core.task import NewTask, TaskState
from remuda.jobs.live import Live
from remuda.jobs.queue import TaskBounds, TaskQueue
from remuda.store import Store, open_store, store_url_in
from remuda.store.tasks import TaskFilter, cancel_task, task_page
from remuda.testing.clock import FakeClock


def new(id_: str, **values: Any) -> NewTask:
    usual = {"key_id": "k", "dialect": "tasks", "path": "/p", "model": "m", "body": b"{}"}
    return NewTask(id=id_, **{**usual, **values})


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


def queue_on(store: Store, **values: Any) -> TaskQueue:
    return TaskQueue(store, Live(), SystemClock(), TaskBounds(**values))


async def test_what_is_submitted_at_once_is_committed_together_and_each_is_told(store: Store) -> None:
    queue = queue_on(store)
    submitted = await asyncio.gather(*(queue.submit(new(f"t{n}")) for n in range(600)))
    assert [each.id for each in submitted] == [f"t{n}" for n in range(600)]
    assert len(await task_page(store, TaskFilter(), 1000)) == 600
    assert queue.submitted == 600


async def test_one_that_cannot_be_kept_does_not_keep_others_out(store: Store) -> None:
    queue = queue_on(store)
    results = await asyncio.gather(
        queue.submit(new("a")), queue.submit(new("b", user_id="\x00")), queue.submit(new("c")), return_exceptions=True
    )
    assert [type(each) for each in results][1] is InvalidRequest
    assert {task.id for task in await task_page(store, TaskFilter(), 10)} == {"a", "c"}


async def test_somebody_who_gives_up_waiting_keeps_nobody_else_waiting(store: Store) -> None:
    queue = queue_on(store)
    first = asyncio.create_task(queue.submit(new("a")))
    await asyncio.sleep(0)
    others = [asyncio.create_task(queue.submit(new(f"t{n}"))) for n in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    assert [(await each).is_new for each in others] == [True] * 3


async def test_bounds_of_a_key_and_of_all(store: Store) -> None:
    queue = queue_on(store, per_key=2, total=3)
    await queue.submit(new("a"))
    await queue.submit(new("b"))
    with pytest.raises(RateLimited) as limited:
        await queue.submit(new("c"))
    assert limited.value.retry_after_s
    await queue.submit(new("d", key_id="other"))
    with pytest.raises(QueueFull):
        await queue.submit(new("e", key_id="third"))


async def test_whose_they_are(store: Store) -> None:
    queue = queue_on(store)
    await queue.submit(new("a"))
    assert (await queue.find("a", "k")).id == (await queue.find("a", None)).id == "a"
    for asked in (
        queue.find("a", "other"),
        queue.result("a", "other"),
        queue.cancel("a", "other"),
        queue.find("b", None),
    ):
        with pytest.raises(UnknownTask):
            await asked
    assert (await queue.find("a", "k")).state is TaskState.QUEUED


async def test_cancelling_tells_the_worker_and_the_watchers(store: Store) -> None:
    told: list[str] = []
    woken: list[int] = []
    queue = TaskQueue(store, Live(), SystemClock(), TaskBounds(), wake=lambda: woken.append(1), cancelled=told.append)
    await queue.submit(new("a"))
    assert woken
    with queue.live.watching("a") as feed:
        version = feed.version
        assert (await queue.cancel("a", "k")).state is TaskState.CANCELLED
        assert feed.version > version
    assert told == ["a"]
    assert (await queue.retry("a", "k")).state is TaskState.QUEUED
    with pytest.raises(Taken):
        await queue.retry("a", "k")


async def test_what_happens_elsewhere_is_noticed_by_asking_the_store(store: Store) -> None:
    clock = FakeClock()
    queue = TaskQueue(store, Live(), clock, TaskBounds())
    await queue.submit(new("a"))
    watching = asyncio.create_task(queue.keep_watch())
    with queue.live.watching("a") as feed:
        await clock.asleep()
        waiting = asyncio.create_task(feed.after(feed.version, 30.0))
        await asyncio.sleep(0)
        await cancel_task(store, "a", clock.wall(), 60.0)
        await clock.advance(1.0)
        assert await waiting
    watching.cancel()


class Away:
    """A database that does not answer."""

    async def run(self, *asked: object) -> None:
        raise OSError("away")


async def test_a_store_that_is_away_is_said_so(store: Store) -> None:
    queue = queue_on(store)
    await queue.submit(new("a"))
    database = store._database
    store._database = Away()  # type: ignore[assignment]
    for asked in (
        queue.find("a", None),
        queue.submit(new("b")),
        queue.cancel("a", None),
        queue.page(TaskFilter(), 9, None),
    ):
        with pytest.raises(Unavailable):
            await asked
    store._database = database
    assert (await queue.submit(new("b"))).is_new
