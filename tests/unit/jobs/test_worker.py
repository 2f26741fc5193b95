"""A worker on a real store, with a runner that does what the test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from remuda.core.clock import SystemClock
from remuda.core.task import Claim, NewTask, Progress, TaskState
from remuda.jobs.live import Live
from remuda.jobs.runner import Outcome
from remuda.jobs.worker import Worker, WorkerRules, backoff_s, may_be_retried
from remuda.store import Store, open_store, store_url_in
from remuda.store.journal_reading import JournalFilter, journal_page
from remuda.store.task_claims import beat, claim_tasks
from remuda.store.tasks import cancel_task, find_task, submit_tasks, task_result
from remuda.testing.clock import FakeClock
from remuda.testing.gate import Signal
from tests.contract.store.samples import NOON, a_record

RULES = WorkerRules(concurrency=4, beat_s=0.02, poll_s=0.02, tidy_s=0.02, backoff_s=0.01, lease_s=30.0)
DEADLINE_S = 20.0


@dataclass
class Run:
    """An attempt that ends when the test says how."""

    claim: Claim
    tell: Callable[[str, int], None]
    tokens: int = 0
    is_late: bool = False
    done: "asyncio.Future[Outcome]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def outcome(self) -> Outcome:
        return await self.done

    def stop(self, *, is_too_late: bool = False) -> None:
        if not self.done.done():
            code = "task_time_limit" if is_too_late else "client_gone"
            self.end(Outcome(504 if is_too_late else 499, b"", None, a_record(id=self.claim.id), code, "stopped"))

    def end(self, outcome: Outcome) -> None:
        self.done.set_result(outcome)


class Runner:
    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.signal = Signal()

    def start(self, claim: Claim, tell: Callable[[str, int], None]) -> Run:
        run = Run(claim, tell)
        self.runs.append(run)
        self.signal.changed()
        return run

    async def started(self, count: int) -> Run:
        """The run with that number, from 1 on."""
        await self.signal.until(lambda: len(self.runs) >= count, lambda: f"{count} runs", DEADLINE_S)
        return self.runs[count - 1]


@dataclass
class Bench:
    store: Store
    runner: Runner
    worker: Worker
    live: Live
    room: int = 100

    async def submit(self, *ids: str, **values: Any) -> None:
        usual = {"key_id": "", "dialect": "tasks", "path": "/p", "model": "m", "body": b"{}"}
        await submit_tasks(self.store, [NewTask(id=id_, **{**usual, **values}) for id_ in ids], NOON)
        self.worker.wake()

    async def becomes(self, id_: str, state: TaskState) -> None:
        """Wait until the store says so: the worker tells watchers after each commit."""
        with self.live.watching(id_) as feed:
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    version = feed.version
                    task = await find_task(self.store, id_)
                    if task is not None and task.state is state:
                        return
                    await feed.after(version, 0.05)


def good(id_: str) -> Outcome:
    return Outcome(200, b'{"whole":1}', "text", a_record(id=id_))


def bad(id_: str, status: int = 502, code: str = "upstream_failed") -> Outcome:
    return Outcome(status, b"", None, a_record(id=id_, status=status, fault=code), code, "it broke")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store = await open_store(store_url_in(tmp_path))
    runner, live = Runner(), Live()
    made: list[Bench] = []

    async def room(model: str) -> int:
        return made[0].room

    worker = Worker("w", store, runner, room, live, SystemClock(), lambda: 0.5, RULES)
    made.append(Bench(store, runner, worker, live))
    worker.start()
    yield made[0]
    for run in runner.runs:
        run.stop()
    await worker.close()
    await store.close()


async def test_a_task_is_claimed_answered_and_kept(bench: Bench) -> None:
    await bench.submit("a")
    run = await bench.runner.started(1)
    assert dict(bench.worker.running) == {"m": 1}
    run.end(good("a"))
    await bench.becomes("a", TaskState.COMPLETED)
    found = await task_result(bench.store, "a")
    assert found is not None
    assert (found.text, found.result, found.status) == ("text", b'{"whole":1}', 200)
    assert (bench.worker.ended[TaskState.COMPLETED], bench.worker.unsaved, bench.live.size) == (1, 0, 0)


async def test_no_more_at_once_than_it_may(bench: Bench) -> None:
    await bench.submit(*(f"t{n}" for n in range(9)))
    await bench.runner.started(4)
    assert sum(bench.worker.running.values()) == 4
    bench.runner.runs[0].end(good("t0"))
    await bench.runner.started(5)
    assert sum(bench.worker.running.values()) == 4


async def test_no_more_of_a_model_than_there_is_room(bench: Bench) -> None:
    bench.room = 1
    await bench.submit("a", "b")
    await bench.submit("c", model="other")
    await bench.runner.started(2)
    assert dict(bench.worker.running) == {"m": 1, "other": 1} or len(bench.runner.runs) >= 2


async def test_what_fails_is_tried_again_and_dies_in_the_end(bench: Bench) -> None:
    await bench.submit("a")
    for number in range(1, RULES.max_attempts + 1):
        run = await bench.runner.started(number)
        assert run.claim.attempt == number
        run.end(bad("a"))
    await bench.becomes("a", TaskState.DEAD)
    task = await find_task(bench.store, "a")
    assert task is not None
    assert (task.error_type, task.error_message, task.attempts) == ("upstream_failed", "it broke", 3)
    assert (bench.worker.ended[TaskState.DEAD], bench.worker.retried, bench.worker.claimed) == (1, 2, 3)


async def test_what_cannot_be_answered_is_not_tried_again(bench: Bench) -> None:
    await bench.submit("a")
    (await bench.runner.started(1)).end(bad("a", 400, "context_length_exceeded"))
    await bench.becomes("a", TaskState.FAILED)
    assert len(bench.runner.runs) == 1


async def test_a_task_that_takes_too_long_is_stopped_and_fails(bench: Bench) -> None:
    await bench.submit("a", time_limit_s=0.05)
    await bench.runner.started(1)
    await bench.becomes("a", TaskState.FAILED)
    task = await find_task(bench.store, "a")
    assert task is not None
    assert task.error_type == "task_time_limit"


async def test_what_another_process_cancels_is_stopped_by_the_next_heartbeat(bench: Bench) -> None:
    await bench.submit("a")
    run = await bench.runner.started(1)
    await cancel_task(bench.store, "a", SystemClock().wall(), 3600.0)
    outcome = await asyncio.wait_for(asyncio.shield(run.done), DEADLINE_S)
    assert outcome.status == 499
    await bench.becomes("a", TaskState.CANCELLED)


async def test_what_was_cancelled_is_recorded_also_where_the_worker_has_not_heard_of_it(bench: Bench) -> None:
    await bench.submit("a", "b", "c")
    runs = [await bench.runner.started(number) for number in (1, 2, 3)]
    for id_ in "abc":
        await cancel_task(bench.store, id_, SystemClock().wall(), 3600.0)
    # Whatever comes first: its end, or the heartbeat that calls it off.
    for run, outcome in zip(runs, (bad("a"), bad("b", 503, "made_room"), good("c")), strict=True):
        if not run.done.done():
            run.end(outcome)
    kept: list[str] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(kept) < 3:
            page = await journal_page(bench.store, JournalFilter(), limit=9)
            kept = sorted(entry.record.id for entry in page.entries)
    assert kept == ["a", "b", "c"]
    for id_ in "abc":
        await bench.becomes(id_, TaskState.CANCELLED)


async def test_a_task_that_made_room_begins_again_and_has_lost_no_attempt(bench: Bench) -> None:
    await bench.submit("a")
    run = await bench.runner.started(1)
    run.end(bad("a", 503, "made_room"))
    again = await bench.runner.started(2)
    assert (again.claim.attempt, again.claim.number) == (1, 2)
    again.end(good("a"))
    await bench.becomes("a", TaskState.COMPLETED)


async def test_a_task_that_no_budget_covers_waits_and_has_lost_no_attempt(bench: Bench) -> None:
    await bench.submit("a")
    run = await bench.runner.started(1)
    run.end(bad("a", 429, "budget_exceeded"))
    await bench.becomes("a", TaskState.DELAYED)
    task = await find_task(bench.store, "a")
    assert task is not None
    assert (task.attempts, task.error_type, task.error_message) == (0, "budget_exceeded", "it broke")


async def test_tokens_are_told_and_kept_as_progress(bench: Bench) -> None:
    await bench.submit("a")
    run = await bench.runner.started(1)
    with bench.live.watching("a") as feed:
        run.tokens = 7
        run.tell("hello", 7)
        assert (feed.text, feed.tokens) == ("hello", 7)
    async with asyncio.timeout(DEADLINE_S):
        while True:
            task = await find_task(bench.store, "a")
            if task is not None and task.progress == 7:
                break


async def test_what_runs_when_it_ends_is_somebody_elses_at_once(bench: Bench) -> None:
    await bench.submit("a")
    await bench.runner.started(1)
    await bench.worker.close()
    task = await find_task(bench.store, "a")
    assert task is not None
    assert (task.state, task.attempts) == (TaskState.QUEUED, 0)


async def test_who_is_about_to_end_takes_nothing_new(bench: Bench) -> None:
    await bench.submit("a")
    run = await bench.runner.started(1)
    bench.worker.drain()
    await bench.submit("b")
    run.end(good("a"))
    await bench.becomes("a", TaskState.COMPLETED)
    await bench.worker.close()
    task = await find_task(bench.store, "b")
    assert task is not None
    assert (task.state, task.claims) == (TaskState.QUEUED, 0)


async def test_who_seems_lost_because_the_clock_has_jumped_has_time_to_renew_its_lease(tmp_path: Path) -> None:
    store, clock = await open_store(store_url_in(tmp_path)), FakeClock()

    async def room(model: str) -> int:
        return 1

    worker = Worker("w", store, Runner(), room, Live(), clock, lambda: 0.5, WorkerRules(lease_s=30.0, backoff_s=0.01))
    await submit_tasks(store, [NewTask("a", "", "tasks", "/p", "m", b"{}")], clock.wall())
    [claim] = await claim_tasks(store, "another", "m", 1, clock.wall(), 30.0)
    await worker._tidy()
    clock.step_wall(3600.0)
    await worker._tidy()
    await beat(store, "another", [Progress("a", claim.number, 1)], clock.wall(), 30.0)
    await clock.advance(29.0)
    await worker._tidy()
    task = await find_task(store, "a")
    assert task is not None
    assert (task.state, task.progress) == (TaskState.RUNNING, 1)
    await clock.advance(2.0)  # no heartbeat any more
    await worker._tidy()
    task = await find_task(store, "a")
    assert task is not None
    assert task.state is TaskState.DELAYED
    clock.step_wall(-3600.0)
    await worker._tidy()
    await clock.advance(31.0)
    await worker._tidy()  # what is due in an hour was written by a clock that went wrong
    assert await claim_tasks(store, "w", "m", 1, clock.wall(), 30.0)
    await store.close()


async def test_the_store_may_be_away_for_a_while(bench: Bench) -> None:
    """An end that the store does not take is offered until it does."""
    await bench.submit("a")
    run = await bench.runner.started(1)
    database = bench.store._database
    bench.store._database = Broken()  # type: ignore[assignment]
    run.end(good("a"))
    await asyncio.wait_for(Broken.was_asked.wait(), DEADLINE_S)
    bench.store._database = database
    await bench.becomes("a", TaskState.COMPLETED)


class Broken:
    """A database that is away."""

    was_asked = asyncio.Event()

    async def run(self, *asked: object) -> None:
        self.was_asked.set()
        raise OSError("away")


@pytest.mark.parametrize(
    ("status", "code", "retried"),
    [
        (500, "x", True),
        (502, "upstream_failed", True),
        (429, "rate_limited", True),
        (408, "x", True),
        (400, "invalid_request", False),
        (404, "model_not_found", False),
        (401, "invalid_api_key", False),
        (504, "task_time_limit", False),
    ],
)
def test_what_is_tried_again(status: int, code: str, retried: bool) -> None:
    assert may_be_retried(Outcome(status, b"", None, None, code)) == retried


def test_backoff_doubles_and_is_bounded_and_spread() -> None:
    rules = WorkerRules(backoff_s=1.0, max_backoff_s=10.0)
    assert [backoff_s(rules, attempt, 1.0) for attempt in range(1, 7)] == [1, 2, 4, 8, 10, 10]
    assert backoff_s(rules, 1, 0.0) == 0.5
