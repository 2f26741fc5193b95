"""A batch, turn by turn, whatever breaks in between."""

import gc
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from remuda.core.batch import BatchState
from remuda.core.task import TaskState
from remuda.jobs.batch_content import write_at
from remuda.store import Store, open_store, store_url_in
from remuda.store.batch_lines import finished_lines, lines_left
from remuda.store.tasks import cancel_task
from remuda.testing.clock import FakeClock
from tests.unit.jobs.batch_rig import Rig, a_line, jsonl


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
def rig(store: Store, tmp_path: Path) -> Rig:
    return Rig(store, tmp_path / "files", FakeClock(), window=8)


async def test_every_line_once(rig: Rig) -> None:
    id_ = await rig.create(jsonl(a_line(n) for n in range(50)) + b"\n  \n")
    assert await rig.to_the_end(id_) == 50
    batch = await rig.batch(id_)
    assert (batch.state, batch.total, batch.completed, batch.failed) == (BatchState.COMPLETED, 50, 50, 0)
    output = rig.lines_of(batch.output_file_id)
    assert sorted(line["custom_id"] for line in output) == sorted(f"c{n}" for n in range(50))
    assert all(line["response"]["body"] == {"well": True} for line in output)
    file = await rig.files.find(batch.output_file_id, "k")
    assert file.size_bytes == rig.files.path_of(file.id).stat().st_size
    assert file.purpose == "batch_output"
    assert not rig.files.path_of(batch.error_file_id).exists()
    assert await rig.turn(id_) is None


async def test_failures_stand_in_a_file_of_their_own(rig: Rig) -> None:
    id_ = await rig.create(jsonl(a_line(n) for n in range(4)))
    await rig.to_the_end(id_, lambda claim: TaskState.COMPLETED if b'"n": 1' in claim.body else TaskState.FAILED)
    batch = await rig.batch(id_)
    assert (batch.state, batch.completed, batch.failed) == (BatchState.COMPLETED, 1, 3)
    errors = rig.lines_of(batch.error_file_id)
    assert {line["custom_id"] for line in errors} == {"c0", "c2", "c3"}
    assert all(line["response"]["status_code"] == 400 for line in errors)


async def test_only_a_window_of_lines_are_tasks(rig: Rig) -> None:
    id_ = await rig.create(jsonl(a_line(n) for n in range(50)))
    await rig.turn(id_, 6)
    assert await lines_left(rig.store, id_) == 8
    await rig.answer(await rig.claim(1))
    await rig.turn(id_)
    assert await lines_left(rig.store, id_) == 7, "a single free place is no reason to feed"
    await rig.answer(await rig.claim(2))
    rig.has_room = False
    await rig.turn(id_, 2)
    assert await lines_left(rig.store, id_) == 5
    rig.has_room = True
    await rig.turn(id_)
    assert await lines_left(rig.store, id_) == 8


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"", "empty_file", None),
        (b"\n\n", "empty_file", None),
        (jsonl([a_line(1), a_line(2), a_line(1)]), "duplicate_custom_id", 3),
        (jsonl([a_line(1)]) + b"\n{\n", "invalid_json_line", 3),
        (jsonl([a_line(1)]) + b'"\xff"\n', "invalid_encoding", 2),
        (jsonl([a_line(1, url="/v1/embeddings")]), "invalid_url", 1),
        (jsonl([a_line(1), a_line(2, pad="x" * 1024 * 1024)]), "line_too_long", 2),
    ],
)
async def test_a_file_that_is_wrong(rig: Rig, content: bytes, code: str, line: int | None) -> None:
    id_ = await rig.create(content)
    await rig.turn(id_)
    batch = await rig.batch(id_)
    assert (batch.state, [(each.code, each.line) for each in batch.errors]) == (BatchState.FAILED, [(code, line)])
    assert await rig.claim() == []
    assert await rig.turn(id_) is None


async def test_no_more_errors_are_told_than_a_hundred(rig: Rig) -> None:
    id_ = await rig.create(b"x\n" * 2000)
    await rig.turn(id_)
    assert [each.line for each in (await rig.batch(id_)).errors] == list(range(1, 101))


async def test_too_many_lines(store: Store, tmp_path: Path) -> None:
    rig = Rig(store, tmp_path / "files", FakeClock(), max_lines=3)
    id_ = await rig.create(jsonl(a_line(n) for n in range(4)))
    await rig.turn(id_)
    [error] = (await rig.batch(id_)).errors
    assert (error.code, error.line) == ("too_many_requests", 4)


@pytest.mark.parametrize("turns", [0, 2])
async def test_an_input_that_is_gone(rig: Rig, turns: int) -> None:
    id_ = await rig.create(jsonl(a_line(n) for n in range(30)))
    await rig.turn(id_, turns)
    rig.files.path_of((await rig.batch(id_)).input_file_id).unlink()
    await rig.answer(await rig.claim())
    await rig.to_the_end(id_)
    batch = await rig.batch(id_)
    assert (batch.state, [error.code for error in batch.errors]) == (BatchState.FAILED, ["content_lost"])
    assert await lines_left(rig.store, id_) == 0


async def test_a_folder_that_is_gone_is_waited_for(rig: Rig, tmp_path: Path) -> None:
    id_ = await rig.create(jsonl([a_line(1)]))
    (tmp_path / "files").rename(tmp_path / "unmounted")
    with pytest.raises(OSError, match="folder is gone"):
        await rig.turn(id_)
    (tmp_path / "unmounted").rename(tmp_path / "files")
    await rig.to_the_end(id_)
    assert (await rig.batch(id_)).state is BatchState.COMPLETED


async def test_whoever_stops_while_looking_through_leaves_it_to_the_next(rig: Rig) -> None:
    id_ = await rig.create(jsonl(a_line(n) for n in range(2000)))
    await rig.turns.turn(id_, lambda: False)
    assert (await rig.batch(id_)).state is BatchState.VALIDATING


async def test_results_that_were_written_and_not_counted_are_written_once(rig: Rig) -> None:
    id_ = await rig.create(jsonl(a_line(n) for n in range(3)))
    await rig.turn(id_, 2)
    await rig.answer(await rig.claim())
    batch = await rig.batch(id_)
    # As if the process had died between the disk and the store.
    write_at(rig.files.path_of(batch.output_file_id), 0, b'{"custom_id":"c0"}\n{"custom')
    assert len(await finished_lines(rig.store, id_, 0.0, 1000)) == 3
    await rig.to_the_end(id_)
    lines = rig.lines_of(batch.output_file_id)
    assert [line["custom_id"] for line in lines] == ["c0", "c1", "c2"]
    assert all("response" in line for line in lines)


async def test_results_that_were_counted_and_are_gone_are_not_made_up(rig: Rig) -> None:
    id_ = await rig.create(jsonl(a_line(n) for n in range(3)))
    await rig.turn(id_, 2)
    await rig.answer(await rig.claim(1))
    await rig.turn(id_)
    batch = await rig.batch(id_)
    rig.files.path_of(batch.output_file_id).write_bytes(b"")
    await rig.answer(await rig.claim(1))
    assert await rig.turn(id_) is None
    batch = await rig.batch(id_)
    assert (batch.state, [error.code for error in batch.errors]) == (BatchState.FAILED, ["content_lost"])
    assert (batch.output_bytes, await lines_left(rig.store, id_)) == (0, 0)


async def test_two_that_drive_at_once_double_nothing(store: Store, tmp_path: Path) -> None:
    rigs = [Rig(store, tmp_path / "files", FakeClock(), window=8) for _ in range(2)]
    id_ = await rigs[0].create(jsonl(a_line(n) for n in range(40)))
    said: Any = 0.0
    turns = 0
    while said is not None:
        said = await rigs[turns % 2].turn(id_)
        await rigs[0].answer(await rigs[0].claim(3))
        turns += 1
    batch = await rigs[0].batch(id_)
    assert len({line["custom_id"] for line in rigs[0].lines_of(batch.output_file_id)}) == batch.completed == 40


async def test_cancelling_keeps_what_is_done_and_stops_what_runs(rig: Rig) -> None:
    id_ = await rig.create(jsonl(a_line(n) for n in range(30)))
    await rig.turn(id_, 2)
    claims = await rig.claim(4)
    await rig.answer(claims[:2])
    await rig.batches.cancel(id_, "k")
    said = await rig.turn(id_)
    assert said == 0.0
    assert {claim.id for claim in claims[2:]} <= set(rig.stopped)
    assert await rig.turn(id_) == 0.2, "a worker has not yet said what it used"
    await rig.answer(claims[2:], TaskState.CANCELLED)
    assert await rig.to_the_end(id_) == 0
    batch = await rig.batch(id_)
    assert (batch.state, batch.completed, batch.failed, batch.total) == (BatchState.CANCELLED, 2, 0, 30)
    assert len(rig.lines_of(batch.output_file_id)) == 2
    assert await lines_left(rig.store, id_) == 0


async def test_one_that_is_cancelled_before_it_began(rig: Rig) -> None:
    id_ = await rig.create(jsonl([a_line(1)]))
    await rig.batches.cancel(id_, None)
    assert await rig.turn(id_) is None
    batch = await rig.batch(id_)
    assert batch.state is BatchState.CANCELLED
    assert not rig.files.path_of(batch.output_file_id).exists()


async def test_a_line_that_somebody_cancelled_alone(rig: Rig) -> None:
    id_ = await rig.create(jsonl(a_line(n) for n in range(2)))
    await rig.turn(id_, 2)
    first, second = await rig.claim()
    await rig.answer([second])
    await cancel_task(rig.store, first.id, rig.clock.wall(), 0.0)
    await rig.answer([first], TaskState.CANCELLED)
    await rig.to_the_end(id_)
    batch = await rig.batch(id_)
    assert (batch.state, batch.completed, batch.failed) == (BatchState.COMPLETED, 1, 1)
    [error] = rig.lines_of(batch.error_file_id)
    assert error["error"]["code"] == "batch_cancelled"


async def test_what_is_not_answered_in_time(store: Store, tmp_path: Path) -> None:
    clock = FakeClock()
    rig = Rig(store, tmp_path / "files", clock, window=8)
    id_ = await rig.create(jsonl(a_line(n) for n in range(1200)))
    await rig.turn(id_, 2)
    await rig.answer(await rig.claim(3))
    await rig.turn(id_)
    await clock.advance(61.0)
    await rig.turn(id_, 2)
    assert await rig.to_the_end(id_) == 0
    batch = await rig.batch(id_)
    assert (batch.state, batch.completed, batch.failed) == (BatchState.EXPIRED, 3, 1197)
    errors = rig.lines_of(batch.error_file_id)
    assert {line["error"]["code"] for line in errors} == {"batch_expired"}
    answered = {line["custom_id"] for line in rig.lines_of(batch.output_file_id)}
    late = [line["custom_id"] for line in errors]
    assert len(late) == len(set(late)) == 1197
    assert answered | set(late) == {f"c{n}" for n in range(1200)}


async def test_a_long_file_does_not_sit_in_memory(store: Store, tmp_path: Path) -> None:
    rig = Rig(store, tmp_path / "files", FakeClock(), window=100)
    content = jsonl(a_line(n, body={"model": "m", "pad": "x" * 1000}) for n in range(10_000))
    id_ = await rig.create(content)
    size = len(content)
    del content
    gc.collect()
    tracemalloc.start()
    try:
        await rig.turn(id_, 4)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (await rig.batch(id_)).total == 10_000
    assert await lines_left(rig.store, id_) == 100
    assert peak < size / 3
