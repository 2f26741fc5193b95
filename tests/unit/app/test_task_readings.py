"""How far behind the work is, as somebody wants to know it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remuda.app.task_readings import LOOK_S, WANTED_S, StandingKept, completed_in
from remuda.core.priority import Priority
from remuda.core.task import Claim, Ending, NewTask, TaskState
from remuda.core.tasks import Tasks
from remuda.store import Store, open_store, store_url_in
from remuda.store.database import store_at
from remuda.store.tasks import submit_tasks
from remuda.telemetry.metrics import Metrics
from remuda.testing.clock import FakeClock
from tests.contract.store.samples import a_record

CLAIM = Claim("a", 1, "w", 1, "k", "u", "tasks", "/p", "m", b"", Priority.LOW, 9.0, created_at=100.0, started_at=103.0)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


async def test_it_is_looked_up_while_somebody_wants_to_know(store: Store):
    clock, tasks = FakeClock(), Tasks("test")
    kept = StandingKept(store, clock)
    assert kept.read() is None
    new = NewTask("a", "k", "tasks", "/p", "m", b"", priority=Priority.LOW)
    await submit_tasks(store, [new], clock.wall() - 7.0)
    tasks.start(kept.keep(), "keep")
    await clock.asleep()
    known = kept.read()
    assert known is not None
    assert known.waiting[Priority.LOW] == sum(known.waiting.values()) == 1
    assert known.lag_s == 7.0
    await clock.advance(WANTED_S + 1.0)
    await clock.asleep()
    await clock.advance(LOOK_S)
    assert kept.read() is None
    await tasks.close()


async def test_a_store_that_is_away_is_no_end(tmp_path: Path):
    clock, tasks = FakeClock(), Tasks("test")
    broken = store_at(store_url_in(tmp_path))  # which has no table yet
    kept = StandingKept(broken, clock)
    tasks.start(kept.keep(), "keep")
    await clock.asleep()
    assert kept.read() is None
    assert len(tasks) == 1
    await tasks.close()
    await broken.close()


def test_what_a_completed_task_took():
    clock = FakeClock(wall=108.0)
    metrics = Metrics("1", with_process=False)
    completed = completed_in(metrics, clock)
    completed(CLAIM, Ending(TaskState.COMPLETED, record=a_record(model="m", completion_tokens=20)))
    completed(CLAIM, Ending(TaskState.COMPLETED))
    page = metrics.render().decode()
    for line in (
        "task_queue_wait_seconds_sum 6.0",
        "task_total_seconds_sum 16.0",
        'task_processing_seconds_sum{model="m"} 5.0',
        'tokens_generated_total{model="m"} 20.0',
        'tokens_per_second_sum{model="m"} 4.0',
    ):
        assert f"\n{line}\n" in page
