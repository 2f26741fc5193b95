"""The runs of a comparison: one after another, each a task, each counted once."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.contract.store.samples import NOON, a_record
from tests.contract.store.test_store_comparisons import made

from remuda.core.comparison import ComparisonState, RunState, Side
from remuda.core.record import RequestRecord
from remuda.core.task import Ending, TaskState
from remuda.store import Store, open_store
from remuda.store.comparison_runs import ANSWER_CHARS, DIALECT, Moved, move_comparison, note_measures
from remuda.store.comparisons import batch_id_of, find_comparison, first_answers, runs_of
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.ledger import Ledger
from remuda.store.task_claims import claim_tasks, finish_tasks, tidy_tasks
from remuda.store.tasks import TaskFilter, cancel_task, task_page


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """A store whose ledger keeps what runs took."""
    opened = await open_store(store_url, Ledger(hooks=(note_measures,)))
    yield opened
    await opened.close()


@pytest.fixture
def ids() -> Any:
    counter = itertools.count(1)
    return lambda: f"t{next(counter)}"


async def answer(store: Store, model: str, state: TaskState = TaskState.COMPLETED, **record: Any) -> bytes:
    """Have the task of a model that waits end so; its body."""
    (claim,) = await claim_tasks(store, "w", model, 10, NOON, 60.0)
    values = {"duration_s": 1.5, "queue_wait_s": 0.5, "ttft_s": 0.75, "completion_tokens": 20, "cost_nano": 5, **record}
    is_well = state is TaskState.COMPLETED
    kept = a_record(id=claim.id, dialect=claim.dialect, model=model, fault="" if is_well else "bad", **values)
    ending = Ending(state, b"", "said" * 5000 if is_well else None, 200, "" if is_well else "bad", "it broke", kept)
    assert await finish_tasks(store, [(claim, ending)], NOON, 1.0) == [state]
    return claim.body


async def test_both_are_asked_in_turn_and_what_they_did_is_kept(store: Store, ids: Any):
    id_ = await made(store, prompts=["Hi"])
    assert await move_comparison(store, id_, ids, NOON, 60.0) is Moved.FED
    assert await move_comparison(store, id_, ids, NOON, 60.0) is Moved.WAITING
    body = msgspec.json.decode(await answer(store, "a"))
    assert body == {
        "model": "a",
        "messages": [{"role": "user", "content": "Hi"}],
        "seed": 7,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert await move_comparison(store, id_, ids, NOON, 60.0) is Moved.FED
    found = await find_comparison(store, id_)
    assert found is not None
    assert (found.state, found.done, found.winner) == (ComparisonState.RUNNING, 1, None)
    await answer(store, "b", duration_s=3.5)
    assert await move_comparison(store, id_, ids, NOON, 60.0) is Moved.OVER
    assert await move_comparison(store, id_, ids, NOON, 60.0) is Moved.OVER
    found = await find_comparison(store, id_)
    assert found is not None
    assert (found.state, found.done, found.winner) == (ComparisonState.DONE, 2, "model_a")
    assert found.results is not None
    # Without the wait for a slot.
    assert (found.results.model_a.latency_s, found.results.model_b.latency_s) == (1.0, 3.0)
    assert found.results.model_a.ttft_s == 0.25
    first = (await runs_of(store, id_))[0]
    assert (first.state, first.task_id, first.journal_id, first.cost_nano) == (RunState.DONE, "t1", 1, 5)
    assert first.answer is not None
    assert len(first.answer) == ANSWER_CHARS
    assert (await first_answers(store, [id_]))[id_, Side.A] == first.answer
    assert await task_page(store, TaskFilter(), 10) == []


async def test_one_that_fails_loses_and_says_why(store: Store, ids: Any):
    id_ = await made(store, prompts=["Hi"])
    await move_comparison(store, id_, ids, NOON, 60.0)
    await answer(store, "a", TaskState.FAILED)
    await move_comparison(store, id_, ids, NOON, 60.0)
    await answer(store, "b")
    await move_comparison(store, id_, ids, NOON, 60.0)
    found = await find_comparison(store, id_)
    assert found is not None
    assert (found.state, found.winner) == (ComparisonState.DONE, "model_b")
    first = (await runs_of(store, id_))[0]
    assert (first.state, first.error, first.latency_s, first.cost_nano) == (RunState.FAILED, "it broke", None, 5)


async def test_where_both_fail_nobody_wins(store: Store, ids: Any):
    id_ = await made(store, prompts=["Hi"])
    for model in ("a", "b"):
        await move_comparison(store, id_, ids, NOON, 60.0)
        await answer(store, model, TaskState.FAILED)
    await move_comparison(store, id_, ids, NOON, 60.0)
    found = await find_comparison(store, id_)
    assert found is not None
    assert (found.state, found.winner, found.error) == (
        ComparisonState.FAILED, None, "neither model answered: it broke"
    )  # fmt: skip


async def test_several_gateways_make_one_task_of_a_run(store: Store, ids: Any):
    id_ = await made(store)
    moved = await asyncio.gather(*(move_comparison(store, id_, ids, NOON, 60.0) for _ in range(5)))
    assert moved.count(Moved.FED) == 1
    await answer(store, "a")
    moved = await asyncio.gather(*(move_comparison(store, id_, ids, NOON, 60.0) for _ in range(5)))
    assert moved.count(Moved.FED) == 1
    found = await find_comparison(store, id_)
    assert found is not None
    assert found.done == 1


async def test_what_ended_is_not_forgotten_before_it_is_counted(store: Store, ids: Any):
    id_ = await made(store, prompts=["Hi"])
    await move_comparison(store, id_, ids, NOON, 60.0)
    await answer(store, "a")
    tidied = await tidy_tasks(
        store, NOON + 1e6, max_attempts=3, backoff_s=1.0, max_backoff_s=1.0, lease_s=1e9, retention_s=1.0
    )
    assert tidied.forgotten == 0
    assert await move_comparison(store, id_, ids, NOON, 60.0) is Moved.FED
    assert (await runs_of(store, id_))[0].state is RunState.DONE


async def test_a_task_that_is_cancelled_has_failed(store: Store, ids: Any):
    id_ = await made(store, prompts=["Hi"])
    await move_comparison(store, id_, ids, NOON, 60.0)
    await cancel_task(store, "t1", NOON, 60.0)
    assert await move_comparison(store, id_, ids, NOON, 60.0) is Moved.FED
    assert (await runs_of(store, id_))[0].error == "it was cancelled"


async def test_a_task_that_is_gone_has_failed(store: Store, ids: Any):
    id_ = await made(store, prompts=["Hi"])
    await move_comparison(store, id_, ids, NOON, 60.0)
    await store.write(lambda connection: connection.exec_driver_sql("DELETE FROM tasks"))
    assert await move_comparison(store, id_, ids, NOON, 60.0) is Moved.FED
    assert (await runs_of(store, id_))[0].error == "its task is gone"


async def test_tasks_belong_to_their_comparison(store: Store, ids: Any):
    id_ = await made(store)
    await move_comparison(store, id_, ids, NOON, 60.0)
    query = f"SELECT count(*) FROM tasks WHERE batch_id = '{batch_id_of(id_)}'"
    assert await store.read(lambda connection: connection.exec_driver_sql(query).scalar_one()) == 1


async def test_records_of_others_are_let_alone(store: Store):
    def records(*dialects: str) -> list[RequestRecord]:
        return [a_record(number, dialect=dialect) for number, dialect in enumerate(dialects)]

    # Also one that says it is a comparison's, and is none's.
    await write_batches(store, [Batch("w", 1, records("openai", DIALECT))], NOON, is_durable=True)
