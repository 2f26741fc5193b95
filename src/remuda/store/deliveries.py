"""Deliveries at rest: that a task is over is told to whom it named, and how that went.

A delivery is written in the transaction that ends its task, with all of the task that it tells: what becomes of the
task later (tried again, forgotten) changes nothing of what is told. Senders claim deliveries as workers claim tasks.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, literal, select

from remuda.core.delivery import ClaimedDelivery, DeliveryEntry, DeliveryState
from remuda.core.priority import Priority
from remuda.core.task import Task, TaskState
from remuda.store.database import Store
from remuda.store.outbox import Outbox, origin_of
from remuda.store.schema import deliveries, tasks

MAX_LISTED: Final = 100

# What is kept of the task, under the same names.
_OF_TASK: Final = (
    "model",
    "key_id",
    "user_id",
    "dialect",
    "time_limit_s",
    "task_attempts",
    "progress",
    "prompt_tokens",
    "error_type",
    "error_message",
)
_ENTRY: Final = (
    deliveries.c.seq,
    deliveries.c.task_id,
    deliveries.c.url,
    deliveries.c.task_state,
    deliveries.c.state,
    deliveries.c.attempts,
    deliveries.c.created_at,
    deliveries.c.sent_at,
    deliveries.c.delivered_at,
    deliveries.c.due_at,
    deliveries.c.status,
    deliveries.c.error,
)


def add_delivery(connection: Connection, task_id: str, url: str | None, moment: float) -> None:
    """Within the transaction that ended the task: that its webhook (`url`, where it names one) is told is due from now
    on."""
    if url is None:
        return
    t = tasks.c
    copied: dict[str, Any] = {
        "task_id": t.id,
        "url": t.webhook,
        "origin": literal(origin_of(url)),
        "state": literal(DeliveryState.DUE.value),
        "due_at": literal(moment),
        "created_at": literal(moment),
        "attempts": literal(0),
        "claims": literal(0),
        "error": literal(""),
        "task_state": t.state,
        "task_created_at": t.created_at,
        "task_started_at": t.started_at,
        "task_finished_at": t.finished_at,
        "text": t.text,
        **{name: t["attempts" if name == "task_attempts" else name] for name in _OF_TASK},
    }
    source = select(*(value.label(name) for name, value in copied.items())).where(t.id == task_id)
    connection.execute(insert(deliveries).from_select(list(copied), source))


async def deliveries_of(store: Store, task_id: str) -> list[DeliveryEntry]:
    """The log of a task's deliveries, newest first: one for each time it was over."""
    query = select(*_ENTRY).where(deliveries.c.task_id == task_id).order_by(deliveries.c.seq.desc()).limit(MAX_LISTED)

    def work(connection: Connection) -> list[DeliveryEntry]:
        return [_entry_from(row) for row in connection.execute(query)]

    return await store.read(work)


def _entry_from(row: Sequence[Any]) -> DeliveryEntry:
    values = list(row)
    values[3] = f"task.{values[3]}"
    values[4] = DeliveryState(values[4])
    return DeliveryEntry._make(values)


def _claim_from(row: Row[Any]) -> ClaimedDelivery:
    task = Task(
        seq=0,
        id=row.task_id,
        state=TaskState(row.task_state),
        priority=Priority.BACKGROUND,  # as the path, not kept: nothing that is told says it
        model=row.model,
        key_id=row.key_id,
        user_id=row.user_id,
        dialect=row.dialect,
        path="",
        webhook=row.url,
        time_limit_s=row.time_limit_s,
        created_at=row.task_created_at,
        started_at=row.task_started_at,
        finished_at=row.task_finished_at,
        due_at=0.0,
        claims=0,
        attempts=row.task_attempts,
        progress=row.progress,
        prompt_tokens=row.prompt_tokens,
        error_type=row.error_type,
        error_message=row.error_message,
    )
    return ClaimedDelivery(row.seq, row.claims, row.sender, row.attempts, row.url, row.origin, task, row.text)


TASK_OUTBOX: Final = Outbox(deliveries, _claim_from)
"""Those that are due."""
