"""The workers' side of tasks: claims with leases, heartbeats, ends.

A claim is told from every other of its task by worker and attempt. Whatever a worker writes holds only while the claim
does, so that of two that work on one task, because a lease ran out or a clock jumped, one's end counts.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, case, delete, func, or_, select, update

from remuda.core.faults import ClientGone
from remuda.core.priority import Priority
from remuda.core.record import bare_record
from remuda.core.task import Claim, Ending, Progress, TaskState
from remuda.store.database import Store
from remuda.store.deliveries import add_delivery
from remuda.store.journal_batch import add_records, cleaned_text
from remuda.store.leases import store_now
from remuda.store.ledger import Ledger
from remuda.store.schema import tasks

MAX_MODELS: Final = 1000
"""Models whose waiting tasks are told at once."""
MAX_EXPIRED: Final = 1000
"""Tasks forgotten in one transaction."""
MAX_LOST: Final = 1000
LET_GO_S: Final = 20.0
"""How long the worker of a cancelled task may take to say what it used. Drivers of batches wait a little longer."""
CALLED_OFF: Final = 499

_IS_QUEUED: Final = tasks.c.state == TaskState.QUEUED.value
# One look into the index for each model; counting would go through all that waits.
_FIRST_MODEL: Final = select(func.min(tasks.c.model)).where(_IS_QUEUED)
_NEXT_MODEL: Final = _FIRST_MODEL.where(tasks.c.model > bindparam("after"))
_ANY: Final = select(tasks.c.seq).limit(1)

_CLAIMED: Final = (
    tasks.c.id,
    tasks.c.claims,
    tasks.c.worker,
    tasks.c.attempts,
    tasks.c.key_id,
    tasks.c.user_id,
    tasks.c.dialect,
    tasks.c.path,
    tasks.c.model,
    tasks.c.body,
    tasks.c.urgency,
    tasks.c.time_limit_s,
    tasks.c.created_at,
    tasks.c.started_at,
)


class Tidied(NamedTuple):
    """What has been put in order."""

    readied: int
    """Delayed tasks that may be tried again."""
    lost: list[tuple[str, TaskState]]
    """Tasks whose worker was not heard of in time, and what became of them."""
    forgotten: int
    """Tasks that were over for long enough."""


async def claim_tasks(
    store: Store, worker: str, model: str, limit: int, now: float, lease_s: float, *, last_class_first: bool = False
) -> list[Claim]:
    """Up to `limit` tasks of `model` for `worker`, those whose turn it is; it must tell of them within `lease_s`.

    `last_class_first`: from the least urgent class that has any, so that it is not starved by the others. Raises
    StoreUnavailable, and then tasks may have been claimed: their lease runs out.
    """

    def work(connection: Connection) -> list[Claim]:
        moment = store_now(connection, now)
        waiting = and_(tasks.c.state == TaskState.QUEUED.value, tasks.c.model == model)
        if last_class_first:
            last = connection.execute(select(func.max(tasks.c.urgency)).where(waiting)).scalar_one()
            waiting = and_(waiting, tasks.c.urgency == last)
        turn = (
            select(tasks.c.seq)
            .where(waiting)
            .order_by(tasks.c.urgency, tasks.c.rank, tasks.c.seq)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        claiming = (
            update(tasks)
            .where(tasks.c.seq.in_(turn.scalar_subquery()))
            .values(
                state=TaskState.RUNNING.value,
                worker=worker,
                claims=tasks.c.claims + 1,
                attempts=tasks.c.attempts + 1,
                started_at=moment,
                due_at=moment + lease_s,
                progress=0,
            )
            .returning(*_CLAIMED, tasks.c.rank, tasks.c.seq)
        )
        # RETURNING tells rows in any order.
        rows = sorted(connection.execute(claiming), key=lambda row: (row.urgency, row.rank, row.seq))
        return [_claim_from(row) for row in rows]

    return await store.write(work)


def _claim_from(row: Row[Any]) -> Claim:
    values = list(row[: len(_CLAIMED)])
    values[9] = bytes(values[9])
    values[10] = Priority(values[10])
    return Claim._make(values)


async def waiting_models(store: Store) -> list[str]:
    """Models for which tasks wait that may begin now, by name."""

    def work(connection: Connection) -> list[str]:
        found: list[str] = []
        name = connection.execute(_FIRST_MODEL).scalar_one()
        while name is not None and len(found) < MAX_MODELS:
            found.append(name)
            name = connection.execute(_NEXT_MODEL, {"after": name}).scalar_one()
        return found

    return await store.read(work)


async def beat(store: Store, worker: str, running: Sequence[Progress], now: float, lease_s: float) -> set[str]:
    """Keep the leases of what `worker` has; ids of those that are still its own. All else is somebody else's by now, or
    was cancelled."""

    def work(connection: Connection) -> set[str]:
        moment = store_now(connection, now)
        held: set[str] = set()
        for each in running:
            keeping = (
                update(tasks)
                .where(_held_by(each.id, each.claim, worker), tasks.c.state == TaskState.RUNNING.value)
                .values(due_at=moment + lease_s, progress=each.tokens)
            )
            if connection.execute(keeping).rowcount:
                held.add(each.id)
        return held

    return await store.write(work)


async def finish_tasks(
    store: Store, ends: Sequence[tuple[Claim, Ending]], now: float, retention_s: float
) -> list[TaskState | None]:
    """Keep how tasks ended, and their journal records, in one transaction. For each the state it is in then: that of
    its ending, or `CANCELLED` where somebody was first; None where the claim holds no longer, and nothing was kept.

    Offered again after the commit's answer was lost, an ending is told as None.
    """

    ends = [(claim, await _as_kept(store, ending)) for claim, ending in ends]

    def work(connection: Connection) -> list[TaskState | None]:
        moment = store_now(connection, now)
        states = [_finish(connection, claim, ending, moment, retention_s) for claim, ending in ends]
        # Last, and all together: whoever else adds to the journal waits from here to the commit.
        add_records(
            connection,
            [
                ending.record
                for (_, ending), state in zip(ends, states, strict=True)
                if state is not None and ending.record is not None
            ],
            store.ledger,
        )
        return states

    return await store.write(work)


async def _as_kept(store: Store, ending: Ending) -> Ending:
    """The ending with its record as the journal may keep it."""
    if ending.record is None:
        return ending
    [record] = await store.ledger.redacted([ending.record])
    return ending._replace(record=record)


async def put_back(
    store: Store, claim: Claim, now: float, *, delay_s: float, error_type: str, error_message: str, counts: bool
) -> bool:
    """Let the task be tried again, after `delay_s`; False where the claim holds no longer. Where the attempt does not
    count, for it was the task that made room for others, it is noted as that."""

    def work(connection: Connection) -> bool:
        returning = (
            update(tasks)
            .where(_held_by(claim.id, claim.number, claim.worker), tasks.c.state == TaskState.RUNNING.value)
            .values(
                state=(TaskState.DELAYED if delay_s > 0 else TaskState.QUEUED).value,
                worker=None,
                due_at=store_now(connection, now) + delay_s,
                attempts=tasks.c.attempts - (0 if counts else 1),
                progress=0,
                error_type=error_type,
                error_message=cleaned_text(error_message),
            )
        )
        return connection.execute(returning).rowcount == 1

    return await store.write(work)


async def tidy_tasks(
    store: Store,
    now: float,
    *,
    max_attempts: int,
    backoff_s: float,
    max_backoff_s: float,
    lease_s: float,
    retention_s: float,
) -> Tidied:
    """Ready what was delayed for long enough, take tasks from workers that were not heard of in time, record what was
    cancelled while a worker had it that has died since, forget what has been over for long enough."""

    def work(connection: Connection) -> Tidied:
        moment = store_now(connection, now)
        # A time further ahead than any lease or delay lasts was written by a clock that has been put back since.
        is_due = or_(tasks.c.due_at <= moment, tasks.c.due_at > moment + 2 * max_backoff_s)
        lost = _take_back(connection, store.ledger, moment, lease_s, max_attempts, backoff_s, retention_s)
        _let_go(connection, store.ledger, moment)
        readied = connection.execute(
            update(tasks)
            .where(tasks.c.state == TaskState.DELAYED.value, is_due)
            .values(state=TaskState.QUEUED.value, due_at=moment)
        ).rowcount
        over = [state.value for state in TaskState if state.is_over]
        # The driver of a batch forgets its lines, when they stand in its files.
        is_old = and_(tasks.c.state.in_(over), tasks.c.due_at <= moment, tasks.c.batch_id.is_(None))
        old = select(tasks.c.seq).where(is_old).limit(MAX_EXPIRED)
        forgotten = connection.execute(delete(tasks).where(tasks.c.seq.in_(old.scalar_subquery()))).rowcount
        return Tidied(readied, lost, forgotten)

    if not await store.read(lambda connection: connection.execute(_ANY).first()):
        return Tidied(0, [], 0)  # as it is for whoever has no tasks at all
    return await store.write(work)


def _take_back(
    connection: Connection,
    ledger: Ledger,
    moment: float,
    lease_s: float,
    max_attempts: int,
    backoff_s: float,
    retention_s: float,
) -> list[tuple[str, TaskState]]:
    is_lost = or_(tasks.c.due_at <= moment, tasks.c.due_at > moment + 10 * lease_s)
    is_last = tasks.c.attempts >= max_attempts
    lost = (
        select(tasks.c.seq)
        .where(tasks.c.state == TaskState.RUNNING.value, is_lost)
        .limit(MAX_LOST)
        .with_for_update(skip_locked=True)
    )
    taking = (
        update(tasks)
        .where(tasks.c.seq.in_(lost.scalar_subquery()))
        .values(
            state=case((is_last, TaskState.DEAD.value), else_=TaskState.DELAYED.value),
            worker=None,
            finished_at=case((is_last, moment), else_=None),
            due_at=moment + case((is_last, retention_s), else_=backoff_s),
            progress=0,
            error_type="WorkerLost",
            error_message="the worker that had the task died or was not heard of in time",
        )
        .returning(
            tasks.c.id,
            tasks.c.state,
            tasks.c.dialect,
            tasks.c.model,
            tasks.c.key_id,
            tasks.c.user_id,
            tasks.c.attempts,
            tasks.c.created_at,
            tasks.c.webhook,
        )
    )
    rows = connection.execute(taking).all()
    dead = [row for row in rows if row.state == TaskState.DEAD.value]
    for row in dead:
        add_delivery(connection, row.id, row.webhook, moment)
    add_records(
        connection,
        [
            bare_record(
                row.id,
                dialect=row.dialect,
                model=row.model,
                key_id=row.key_id,
                user_id=row.user_id,
                status=500,
                fault="worker_lost",
                attempts=row.attempts,
                started_at=moment,
            )
            for row in dead
        ],
        ledger,
    )
    return [(row.id, TaskState(row.state)) for row in rows]


def _let_go(connection: Connection, ledger: Ledger, moment: float) -> None:
    """Record what was cancelled while it ran, and whose worker has not said what it used: it has died meanwhile."""
    is_silent = or_(tasks.c.finished_at <= moment - LET_GO_S, tasks.c.finished_at > moment + LET_GO_S)
    # Only one that ran when it was cancelled has both: an index of its own tells them.
    waiting = and_(tasks.c.worker.is_not(None), tasks.c.finished_at.is_not(None))
    silent = select(tasks.c.seq).where(waiting, is_silent).limit(MAX_LOST).with_for_update(skip_locked=True)
    letting_go = (
        update(tasks)
        .where(tasks.c.seq.in_(silent.scalar_subquery()))
        .values(worker=None)
        .returning(
            tasks.c.id,
            tasks.c.dialect,
            tasks.c.model,
            tasks.c.key_id,
            tasks.c.user_id,
            tasks.c.attempts,
            tasks.c.started_at,
            tasks.c.finished_at,
            tasks.c.progress,
        )
    )
    add_records(
        connection,
        [
            bare_record(
                row.id,
                dialect=row.dialect,
                model=row.model,
                key_id=row.key_id,
                user_id=row.user_id,
                status=CALLED_OFF,
                fault=ClientGone.code,
                attempts=row.attempts,
                started_at=row.started_at,
                duration_s=max(0.0, row.finished_at - row.started_at),
                completion_tokens=row.progress,
            )
            for row in connection.execute(letting_go)
        ],
        ledger,
    )


def _finish(
    connection: Connection, claim: Claim, ending: Ending, moment: float, retention_s: float
) -> TaskState | None:
    record = ending.record
    mine = _held_by(claim.id, claim.number, claim.worker)
    used = {"progress": record.completion_tokens, "prompt_tokens": record.prompt_tokens} if record is not None else {}
    finishing = (
        update(tasks)
        .where(mine, tasks.c.state == TaskState.RUNNING.value)
        .values(
            state=ending.state.value,
            worker=None,
            finished_at=moment,
            due_at=moment + retention_s,
            text=None if ending.text is None else cleaned_text(ending.text),
            result=ending.result,
            status=ending.status,
            error_type=ending.error_type,
            error_message=cleaned_text(ending.error_message),
            **used,
        )
        .returning(tasks.c.webhook)
    )
    state: TaskState | None = ending.state
    finished = connection.execute(finishing).one_or_none()
    if finished is not None:
        add_delivery(connection, claim.id, finished.webhook, moment)
    else:
        # Cancelled meanwhile: what it used is kept all the same, once.
        letting_go = update(tasks).where(mine, tasks.c.state == TaskState.CANCELLED.value).values(worker=None, **used)
        state = TaskState.CANCELLED if connection.execute(letting_go).rowcount else None
    return state


def _held_by(id_: str, claim: int, worker: str) -> ColumnElement[bool]:
    return and_(tasks.c.id == id_, tasks.c.worker == worker, tasks.c.claims == claim)
