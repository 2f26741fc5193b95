"""Deliveries at rest: that a task is over is told to whom it named, and how that went.

A delivery is written in the transaction that ends its task, with all of the task that it tells: what becomes of the
task later (tried again, forgotten) changes nothing of what is told. Senders claim deliveries as workers claim tasks.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, literal, or_, select, update

from remuda.core.delivery import ClaimedDelivery, DeliveryEntry, DeliveryState, Sent
from remuda.core.priority import Priority
from remuda.core.task import Task, TaskState
from remuda.store.database import Store
from remuda.store.leases import store_now
from remuda.store.schema import deliveries, tasks

MAX_AHEAD_S: Final = 7 * 24 * 3600.0
"""A time further ahead than any delay lasts was written by a clock that has been put back since."""
MAX_EXPIRED: Final = 1000
"""Deliveries forgotten in one transaction."""
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
_OPEN: Final = (DeliveryState.DUE.value, DeliveryState.SENDING.value)


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


async def has_due_deliveries(store: Store, now: float, but_to: Collection[str] = ()) -> bool:
    """Whether any may be claimed: asked often, and cheaper than to claim."""

    def work(connection: Connection) -> bool:
        first = select(deliveries.c.seq).where(_is_due(store_now(connection, now), but_to)).limit(1)
        return connection.execute(first).first() is not None

    return await store.read(work)


async def claim_deliveries(
    store: Store, sender: str, limit: int, now: float, lease_s: float, but_to: Collection[str] = ()
) -> list[ClaimedDelivery]:
    """Up to `limit` deliveries for `sender`, those that have been due for longest; it must say within `lease_s` what
    came of each, or another sender gets it. `but_to`: origins for which it has enough already."""

    def work(connection: Connection) -> list[ClaimedDelivery]:
        moment = store_now(connection, now)
        turn = (
            select(deliveries.c.seq)
            .where(_is_due(moment, but_to))
            .order_by(deliveries.c.due_at, deliveries.c.seq)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        claiming = (
            update(deliveries)
            .where(deliveries.c.seq.in_(turn.scalar_subquery()))
            .values(
                state=DeliveryState.SENDING.value,
                sender=sender,
                claims=deliveries.c.claims + 1,
                attempts=deliveries.c.attempts + 1,
                sent_at=moment,
                due_at=moment + lease_s,
            )
            .returning(deliveries)
        )
        return [_claim_from(row) for row in sorted(connection.execute(claiming), key=lambda row: row.seq)]

    return await store.write(work)


async def settle_delivery(
    store: Store, claim: ClaimedDelivery, sent: Sent, now: float, *, again_s: float | None, retention_s: float
) -> bool:
    """Keep what came of an attempt; `again_s`: after how long the next is made, None where there is to be none. False
    where the claim holds no longer, and nothing was kept."""
    is_over = sent.is_delivered or again_s is None

    def work(connection: Connection) -> bool:
        moment = store_now(connection, now)
        state = DeliveryState.DELIVERED if sent.is_delivered else DeliveryState.GIVEN_UP
        settling = (
            update(deliveries)
            .where(
                deliveries.c.seq == claim.seq,
                deliveries.c.sender == claim.sender,
                deliveries.c.claims == claim.number,
                deliveries.c.state == DeliveryState.SENDING.value,
            )
            .values(
                state=state.value if is_over else DeliveryState.DUE.value,
                sender=None,
                due_at=moment + (retention_s if is_over else again_s or 0.0),
                delivered_at=moment if sent.is_delivered else None,
                status=sent.status,
                error=sent.error,
                **({"text": None} if is_over else {}),
            )
        )
        return connection.execute(settling).rowcount == 1

    return await store.write(work)


async def deliveries_of(store: Store, task_id: str) -> list[DeliveryEntry]:
    """The log of a task's deliveries, newest first: one for each time it was over."""
    query = select(*_ENTRY).where(deliveries.c.task_id == task_id).order_by(deliveries.c.seq.desc()).limit(MAX_LISTED)

    def work(connection: Connection) -> list[DeliveryEntry]:
        return [_entry_from(row) for row in connection.execute(query)]

    return await store.read(work)


async def forget_deliveries(store: Store, now: float) -> int:
    """Forget those that have been over for long enough; how many."""

    def work(connection: Connection) -> int:
        moment = store_now(connection, now)
        old = (
            select(deliveries.c.seq)
            .where(deliveries.c.state.not_in(_OPEN), deliveries.c.due_at <= moment)
            .limit(MAX_EXPIRED)
        )
        return connection.execute(delete(deliveries).where(deliveries.c.seq.in_(old.scalar_subquery()))).rowcount

    return await store.write(work)


def origin_of(url: str) -> str:
    """Scheme, host and port of a webhook's URL, in small letters."""
    return "/".join(url.lower().split("?")[0].split("/", 3)[:3])


def _is_due(moment: float, but_to: Collection[str]) -> ColumnElement[bool]:
    is_time = or_(deliveries.c.due_at <= moment, deliveries.c.due_at > moment + MAX_AHEAD_S)
    is_due = and_(deliveries.c.state.in_(_OPEN), is_time)
    return and_(is_due, deliveries.c.origin.not_in(but_to)) if but_to else is_due


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
