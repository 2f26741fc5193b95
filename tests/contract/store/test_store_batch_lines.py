"""The lines of batches, fed into the tasks and taken out again, on each kind of database."""

from typing import Any

from tests.contract.store.samples import NOON
from tests.contract.store.test_store_batches import a_file, batch_in
from tests.contract.store.test_store_tasks import new

from remuda.core.batch import Batch, BatchState, LineError, LineTask
from remuda.core.priority import Priority
from remuda.core.task import Claim, Ending, TaskState
from remuda.store import Store
from remuda.store.batch_lines import (
    LET_GO_S,
    Fed,
    Written,
    abandon_batch,
    cancel_lines,
    conclude_batch,
    feed_batch,
    finished_lines,
    keep_lines,
    lines_left,
    skip_lines,
)
from remuda.store.batches import begin_batch, cancel_batch, end_batch, find_batch, forget_batches
from remuda.store.files import find_file
from remuda.store.task_claims import claim_tasks, finish_tasks, tidy_tasks
from remuda.store.tasks import find_task, submit_tasks


def a_line(number: int, model: str = "m") -> LineTask:
    return LineTask(f"t{number}", f"c{number}", number, model, b'{"n":%d}' % number)


async def now_of(store: Store, id_: str = "batch_1") -> Batch:
    batch = await find_batch(store, id_)
    assert batch is not None
    return batch


async def fed_batch(store: Store, lines: int = 3, **values: Any) -> Batch:
    """A batch in progress, some lines of which are tasks."""
    await batch_in(store, **values)
    await begin_batch(store, "batch_1", 10, NOON)
    new_lines = [a_line(n) for n in range(1, lines + 1)]
    assert await feed_batch(store, await now_of(store), new_lines, Fed(30, lines), NOON, 5.0)
    return await now_of(store)


async def finish(store: Store, claim: Claim, state: TaskState = TaskState.COMPLETED, result: bytes = b"{}") -> None:
    await finish_tasks(store, [(claim, Ending(state, result, None, 200))], NOON, 0.0)


async def test_a_line_becomes_one_task_whoever_feeds(store: Store):
    before = await batch_in(store)
    assert not await feed_batch(store, before, [a_line(1)], Fed(10, 1), NOON, 5.0)
    await begin_batch(store, "batch_1", 3, NOON)
    before = await now_of(store)
    lines = [a_line(1), a_line(2, "n"), a_line(3)]
    assert await feed_batch(store, before, lines, Fed(30, 3), NOON, 5.0)
    assert not await feed_batch(store, before, lines, Fed(30, 3), NOON, 5.0)
    batch = await now_of(store)
    assert (batch.fed_bytes, batch.fed_lines, await lines_left(store, "batch_1")) == (30, 3, 3)
    task = await find_task(store, "t2")
    assert task is not None
    assert (task.dialect, task.path, task.key_id, task.model, task.priority, task.time_limit_s) == (
        "batches",
        "/p",
        "k",
        "n",
        Priority.BACKGROUND,
        5.0,
    )
    claims = await claim_tasks(store, "w", "m", 9, NOON, 60.0)
    assert [(claim.id, claim.body) for claim in claims] == [("t1", b'{"n":1}'), ("t3", b'{"n":3}')]


async def test_lines_take_turns_with_other_keys(store: Store):
    await fed_batch(store)
    await submit_tasks(store, [new("o1", key_id="o", priority=Priority.BACKGROUND)], NOON)
    claims = await claim_tasks(store, "w", "m", 9, NOON, 60.0)
    assert [claim.id for claim in claims] == ["t1", "o1", "t2", "t3"]


async def test_what_is_over_is_kept_until_it_is_written(store: Store):
    batch = await fed_batch(store)
    first, second, _ = await claim_tasks(store, "w", "m", 3, NOON, 60.0)
    await finish(store, first, result=b'{"a":1}')
    await finish(store, second, TaskState.FAILED)
    tidied = await tidy_tasks(
        store, NOON, max_attempts=3, backoff_s=1.0, max_backoff_s=60.0, lease_s=1e9, retention_s=0.0
    )
    assert tidied.forgotten == 0
    lines = await finished_lines(store, "batch_1", NOON, 10_000)
    assert [(line.id, line.custom_id, line.state, line.status, line.result) for line in lines] == [
        ("t1", "c1", TaskState.COMPLETED, 200, b'{"a":1}'),
        ("t2", "c2", TaskState.FAILED, 200, b"{}"),
    ]
    seqs = [line.seq for line in lines]
    assert await keep_lines(store, batch, seqs, Written(7, 3, 1, 1))
    assert not await keep_lines(store, batch, seqs, Written(7, 3, 1, 1))
    batch = await now_of(store)
    assert (batch.output_bytes, batch.error_bytes, batch.completed, batch.failed) == (7, 3, 1, 1)
    assert await lines_left(store, "batch_1") == 1
    assert await find_task(store, "t1") is None


async def test_no_more_results_are_told_than_fit(store: Store):
    await fed_batch(store)
    for claim in await claim_tasks(store, "w", "m", 3, NOON, 60.0):
        await finish(store, claim, result=b"x" * 100)
    assert len(await finished_lines(store, "batch_1", NOON, 150)) == 2
    assert len(await finished_lines(store, "batch_1", NOON, 1)) == 1


async def test_a_line_that_is_called_off_waits_for_its_worker(store: Store):
    await fed_batch(store)
    [claim] = await claim_tasks(store, "w", "m", 1, NOON, 60.0)
    assert sorted(await cancel_lines(store, "batch_1", NOON)) == ["t1", "t2", "t3"]
    assert await cancel_lines(store, "batch_1", NOON) == []
    assert [line.id for line in await finished_lines(store, "batch_1", NOON, 100)] == ["t2", "t3"]
    await finish(store, claim, TaskState.CANCELLED)
    assert len(await finished_lines(store, "batch_1", NOON, 100)) == 3


async def test_a_worker_that_says_nothing_is_not_waited_for_long(store: Store):
    if not store.is_sqlite:
        return  # the server's own clock counts there, and nobody waits for it here
    await fed_batch(store, 1)
    await claim_tasks(store, "w", "m", 1, NOON, 60.0)
    await cancel_lines(store, "batch_1", NOON)
    assert await finished_lines(store, "batch_1", NOON + LET_GO_S - 1, 100) == []
    assert len(await finished_lines(store, "batch_1", NOON + LET_GO_S, 100)) == 1


async def test_lines_that_are_not_asked_any_more(store: Store):
    batch = await fed_batch(store)
    assert await skip_lines(store, batch, Fed(60, 6), Written(0, 40, 0, 3))
    assert not await skip_lines(store, batch, Fed(60, 6), Written(0, 40, 0, 3))
    batch = await now_of(store)
    assert (batch.fed_bytes, batch.fed_lines, batch.error_bytes, batch.failed) == (60, 6, 40, 3)


async def test_the_end(store: Store):
    batch = await fed_batch(store, 0)
    await end_batch(store, "batch_1", BatchState.COMPLETED, NOON)
    batch = await now_of(store)
    output = a_file(batch.output_file_id, purpose="batch_output", size_bytes=7, expires_at=NOON + 60)
    assert await conclude_batch(store, batch, [output], NOON)
    assert not await conclude_batch(store, batch, [output], NOON)
    ended = await now_of(store)
    assert (ended.state, ended.ended_at is not None) == (BatchState.COMPLETED, True)
    file = await find_file(store, batch.output_file_id, NOON)
    assert file is not None
    assert file.expires_at == file.created_at + 60
    assert file.created_at == ended.ended_at


async def test_a_cancelled_batch_keeps_what_was_done(store: Store):
    batch = await fed_batch(store)
    await keep_lines(store, batch, [], Written(9, 0, 1, 0))
    await cancel_batch(store, "batch_1", NOON)
    batch = await now_of(store)
    assert not await feed_batch(store, batch, [a_line(9)], Fed(90, 9), NOON, 5.0)
    assert await conclude_batch(store, batch, [a_file(batch.output_file_id)], NOON)
    ended = await now_of(store)
    assert (ended.state, ended.completed) == (BatchState.CANCELLED, 1)
    assert await forget_batches(store, NOON, -1.0) == 0, "its lines are not taken out yet"


async def test_a_batch_whose_files_are_lost(store: Store):
    await fed_batch(store)
    [claim] = await claim_tasks(store, "w", "m", 1, NOON, 60.0)
    error = LineError("content_lost", "gone")
    await abandon_batch(store, "batch_1", error, NOON)
    batch = await now_of(store)
    assert (batch.state, batch.errors, batch.output_bytes) == (BatchState.FAILED, [error], 0)
    assert await lines_left(store, "batch_1") == 0
    assert await finish_tasks(store, [(claim, Ending(TaskState.COMPLETED))], NOON, 0.0) == [None]
    ended_at = batch.ended_at
    await abandon_batch(store, "batch_1", LineError("other", "x"), NOON)
    assert (await now_of(store)).ended_at == ended_at
    assert (await now_of(store)).errors == [error]
