"""The runs of comparisons: made into tasks one after another, and taken out again when they are over.

A comparison is moved on in transactions that hold its row, each of which finds out for itself how far it has come. So
a run becomes one task and counts once, whoever died in between, and however many gateways move it on. What a run took
is written by the transaction that adds it to the journal: see `note_measures`.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, and_, delete, insert, or_, select, update

from remuda.core.comparison import (
    ComparisonState,
    Prompt,
    RunState,
    Side,
    judged,
    messages_of,
    results_of,
)
from remuda.core.priority import Priority
from remuda.core.record import RequestRecord
from remuda.core.score import has_failed
from remuda.core.task import NewTask, TaskState
from remuda.store.batch_lines import LET_GO_S
from remuda.store.comparisons import batch_id_of, unanswered_runs
from remuda.store.database import Store
from remuda.store.journal_batch import cleaned_text
from remuda.store.leases import store_now
from remuda.store.schema import tasks
from remuda.store.schema_insight_compare import comparison_prompts, comparison_runs, comparisons
from remuda.store.tasks import UNDER_WAY, Ranks, row_of

DIALECT: Final = "comparisons"
"""The API that tasks of comparisons came by."""
PATH: Final = "/v1/chat/completions"
ANSWER_CHARS: Final = 8000
"""Of each answer that are kept."""
ERROR_CHARS: Final = 1000

_prompt: Final = msgspec.json.Decoder(Prompt).decode


class Moved(Enum):
    """What came of an attempt to move a comparison on."""

    WAITING = "waiting"
    """A task of it is under way."""
    FED = "fed"
    """There is a new task."""
    OVER = "over"


async def move_comparison(store: Store, id_: int, task_id: Callable[[], str], now: float, time_limit_s: float) -> Moved:
    """Write down what came of the run under way, where that is over; make a task of the next, or conclude."""

    def work(connection: Connection) -> Moved:
        held = select(comparisons).where(comparisons.c.id == id_).with_for_update()
        row = connection.execute(held).one_or_none()
        if row is None or ComparisonState(row.state).is_over:
            return Moved.OVER
        moment = store_now(connection, now)
        if not _collect(connection, id_, moment):
            return Moved.WAITING
        waiting = (
            select(comparison_runs.c.place, comparison_runs.c.side, comparison_runs.c.prompt)
            .where(comparison_runs.c.comparison_id == id_, comparison_runs.c.state == RunState.WAITING.value)
            .order_by(comparison_runs.c.place)
            .limit(1)
        )
        run = connection.execute(waiting).one_or_none()
        if run is None:
            _conclude(connection, id_, moment)
            return Moved.OVER
        _feed(connection, row, run, task_id(), moment, time_limit_s)
        return Moved.FED

    return await store.write(work)


def note_measures(
    connection: Connection, records: Sequence[RequestRecord], scores: Sequence[float], first_id: int
) -> None:
    """A hook of the ledger: what runs of comparisons took is kept in the transaction that ends their tasks."""
    for journal_id, record in enumerate(records, first_id):
        if record.dialect == DIALECT:
            _note(connection, record, journal_id)


def _note(connection: Connection, record: RequestRecord, journal_id: int) -> None:
    measured: dict[str, Any] = {
        "journal_id": journal_id,
        "prompt_tokens": record.prompt_tokens,
        "completion_tokens": record.completion_tokens,
        "cost_nano": record.cost_nano,
    }
    if not has_failed(record):
        # Models are compared, not how busy the gateway was with other things meanwhile.
        waited_s = record.queue_wait_s
        measured["latency_s"] = max(0.0, record.duration_s - waited_s)
        measured["ttft_s"] = None if record.ttft_s is None else max(0.0, record.ttft_s - waited_s)
    run = and_(comparison_runs.c.task_id == record.id, comparison_runs.c.journal_id.is_(None))
    connection.execute(update(comparison_runs).where(run).values(measured))


def _collect(connection: Connection, id_: int, moment: float) -> bool:
    """Write down what came of the run under way; False where it is still under way."""
    running = and_(comparison_runs.c.comparison_id == id_, comparison_runs.c.state == RunState.RUNNING.value)
    run = connection.execute(select(comparison_runs.c.place, comparison_runs.c.task_id).where(running)).one_or_none()
    if run is None:
        return True
    query = select(tasks.c.state, tasks.c.text, tasks.c.error_type, tasks.c.error_message).where(
        tasks.c.id == run.task_id
    )
    is_let_go = or_(tasks.c.worker.is_(None), tasks.c.finished_at <= moment - LET_GO_S)
    is_over = and_(tasks.c.state.not_in(UNDER_WAY), or_(tasks.c.state != TaskState.CANCELLED.value, is_let_go))
    task = connection.execute(query.where(is_over)).one_or_none()
    if task is None and connection.execute(query).one_or_none() is not None:
        return False
    # The task before the run: so does the transaction that ends it.
    connection.execute(delete(tasks).where(tasks.c.id == run.task_id))
    connection.execute(
        update(comparison_runs)
        .where(comparison_runs.c.comparison_id == id_, comparison_runs.c.place == run.place)
        .values(_outcome(task))
    )
    connection.execute(update(comparisons).where(comparisons.c.id == id_).values(done=comparisons.c.done + 1))
    return True


def _outcome(task: Any) -> dict[str, Any]:
    """What is kept of how a run's task ended."""
    if task is None:
        return {"state": RunState.FAILED.value, "error": "its task is gone"}
    if task.state == TaskState.COMPLETED.value:
        return {"state": RunState.DONE.value, "answer": (task.text or "")[:ANSWER_CHARS]}
    said = "it was cancelled" if task.state == TaskState.CANCELLED.value else task.error_message or task.error_type
    return {"state": RunState.FAILED.value, "error": cleaned_text(said or "it failed")[:ERROR_CHARS]}


def _feed(connection: Connection, comparison: Any, run: Any, task_id: str, moment: float, time_limit_s: float) -> None:
    content = select(comparison_prompts.c.content).where(
        comparison_prompts.c.comparison_id == comparison.id, comparison_prompts.c.prompt == run.prompt
    )
    prompt = _prompt(connection.execute(content).scalar_one())
    model = comparison.model_a if run.side == Side.A.value else comparison.model_b
    asked = {
        **msgspec.json.decode(comparison.parameters),
        "model": model,
        "messages": messages_of(prompt),
        # Piece by piece, so that the time to the first token is known.
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    new = NewTask(
        id=task_id,
        key_id=comparison.key_id,
        dialect=DIALECT,
        path=PATH,
        model=model,
        body=msgspec.json.encode(asked),
        priority=Priority.BACKGROUND,
        time_limit_s=time_limit_s,
    )
    row = row_of(new, Ranks(connection, [new]).take(new), moment)
    connection.execute(insert(tasks).values(row | {"batch_id": batch_id_of(comparison.id)}))
    connection.execute(
        update(comparison_runs)
        .where(comparison_runs.c.comparison_id == comparison.id, comparison_runs.c.place == run.place)
        .values(state=RunState.RUNNING.value, task_id=task_id)
    )
    if comparison.state == ComparisonState.QUEUED.value:
        beginning = update(comparisons).where(comparisons.c.id == comparison.id)
        connection.execute(beginning.values(state=ComparisonState.RUNNING.value, started_at=moment))


def _conclude(connection: Connection, id_: int, moment: float) -> None:
    runs = unanswered_runs(connection, id_)
    results = results_of(runs)
    verdict = judged(results.model_a, results.model_b)
    error = verdict.error
    if error is not None:
        said = next((run.error for run in runs if run.error), None)
        error = f"{error}: {said}" if said else error
    state = ComparisonState.DONE if error is None else ComparisonState.FAILED
    connection.execute(
        update(comparisons)
        .where(comparisons.c.id == id_)
        .values(
            state=state.value,
            winner=verdict.winner,
            reasons=msgspec.json.encode(verdict.reasons).decode(),
            error=error,
            results=msgspec.json.encode(results).decode(),
            ended_at=moment,
        )
    )
