"""Tasks at rest: submitting, looking up, listing, cancelling. `task_claims` is the workers' side.

A task's turn is decided when it is submitted (start-time fair queueing): tasks of one model and class run in the order
of their `rank`, and one gets the rank after the last of its key that still waits, or that of the first of all where
none does. So keys take turns, however many tasks each has, a heavier key more of them, and no claim needs to look at
more than the first rows.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, func, insert, or_, select, tuple_, update

from remuda.core.priority import Priority
from remuda.core.task import NewTask, Task, TaskResult, TaskState
from remuda.store.database import Store
from remuda.store.deliveries import add_delivery
from remuda.store.errors import StoreRefused
from remuda.store.leases import store_now
from remuda.store.schema import keys, tasks

MAX_PAGE: Final = 1000
WAITING: Final = (TaskState.QUEUED.value, TaskState.DELAYED.value)
UNDER_WAY: Final = (*WAITING, TaskState.RUNNING.value)

# What a reader is told, in the order of Task's fields.
FIELDS: Final = (
    tasks.c.seq,
    tasks.c.id,
    tasks.c.state,
    tasks.c.urgency,
    tasks.c.model,
    tasks.c.key_id,
    tasks.c.user_id,
    tasks.c.dialect,
    tasks.c.path,
    tasks.c.webhook,
    tasks.c.time_limit_s,
    tasks.c.created_at,
    tasks.c.started_at,
    tasks.c.finished_at,
    tasks.c.due_at,
    tasks.c.claims,
    tasks.c.attempts,
    tasks.c.progress,
    tasks.c.prompt_tokens,
    tasks.c.error_type,
    tasks.c.error_message,
)


class Submitted(NamedTuple):
    """A task that is in the store."""

    id: str
    is_new: bool
    """False: it was there already, under the same idempotency key."""


class TaskFilter(NamedTuple):
    """Which tasks are looked for; None: any."""

    states: Sequence[TaskState] | None = None
    key_id: str | None = None
    user_id: str | None = None
    model: str | None = None
    since: float | None = None
    """Submitted then or later."""
    until: float | None = None
    """Submitted before then."""


class Backlog(NamedTuple):
    """What waits."""

    by_key: dict[str, int]
    by_model: dict[str, int]

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.by_key.values())


class Standing(NamedTuple):
    """How far behind the work is."""

    waiting: dict[Priority, int]
    lag_s: float


async def submit_tasks(store: Store, new: Sequence[NewTask], now: float) -> list[Submitted]:
    """Keep these tasks: they are on disk when this returns. Raises StoreRefused, StoreUnavailable."""
    for each in new:
        if "\x00" in each.model + each.user_id + (each.idempotency_key or "") + (each.webhook or ""):
            raise StoreRefused("a task's words hold a NUL character")
    return await store.write(lambda connection: [_submit(connection, each, now) for each in new])


async def find_task(store: Store, id_: str) -> Task | None:
    """The task of that id; None where there is none, or none any more."""

    def work(connection: Connection) -> Task | None:
        row = connection.execute(select(*FIELDS).where(tasks.c.id == id_)).one_or_none()
        return None if row is None else task_from(row)

    return await store.read(work)


async def task_result(store: Store, id_: str) -> TaskResult | None:
    """The task of that id with what came of it; None where there is none."""
    query = select(*FIELDS, tasks.c.text, tasks.c.result, tasks.c.status).where(tasks.c.id == id_)

    def work(connection: Connection) -> TaskResult | None:
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        *_, text, result, status = row
        return TaskResult(task_from(row), text, result, status)

    return await store.read(work)


async def states_of(store: Store, ids: Sequence[str]) -> dict[str, tuple[TaskState, int]]:
    """State and progress of these tasks, as far as they are there."""

    def work(connection: Connection) -> dict[str, tuple[TaskState, int]]:
        found: dict[str, tuple[TaskState, int]] = {}
        for start in range(0, len(ids), MAX_PAGE):
            query = select(tasks.c.id, tasks.c.state, tasks.c.progress).where(
                tasks.c.id.in_(ids[start : start + MAX_PAGE])
            )
            found |= {id_: (TaskState(state), progress) for id_, state, progress in connection.execute(query)}
        return found

    return await store.read(work)


async def position_of(store: Store, id_: str) -> int | None:
    """How many tasks of its model come before this one, and itself, so 1 is the next; None where it does not wait."""

    def work(connection: Connection) -> int | None:
        own = connection.execute(
            select(tasks.c.model, tasks.c.urgency, tasks.c.rank, tasks.c.seq).where(
                tasks.c.id == id_, tasks.c.state.in_(WAITING)
            )
        ).one_or_none()
        if own is None:
            return None
        before = tuple_(tasks.c.urgency, tasks.c.rank, tasks.c.seq) < tuple_(own.urgency, own.rank, own.seq)
        query = select(func.count()).where(tasks.c.state == TaskState.QUEUED.value, tasks.c.model == own.model, before)
        return int(connection.execute(query).scalar_one()) + 1

    return await store.read(work)


async def task_page(store: Store, wanted: TaskFilter, limit: int, before: int | None = None) -> list[Task]:
    """At most `limit` tasks, newest first, with a `seq` below `before`."""
    query = _filtered(select(*FIELDS), wanted).order_by(tasks.c.seq.desc()).limit(min(limit, MAX_PAGE))
    if before is not None:
        query = query.where(tasks.c.seq < before)
    return await store.read(lambda connection: [task_from(row) for row in connection.execute(query)])


async def backlog(store: Store) -> Backlog:
    """How many tasks wait."""
    query = (
        select(tasks.c.key_id, tasks.c.model, func.count())
        .where(tasks.c.state.in_(WAITING))
        .group_by(tasks.c.key_id, tasks.c.model)
    )

    def work(connection: Connection) -> Backlog:
        by_key: dict[str, int] = {}
        by_model: dict[str, int] = {}
        for key_id, model, count in connection.execute(query):
            by_key[key_id] = by_key.get(key_id, 0) + count
            by_model[model] = by_model.get(model, 0) + count
        return Backlog(by_key, by_model)

    return await store.read(work)


async def standing(store: Store, now: float) -> Standing:
    """How many tasks of each class wait, and for how long the first of those that may begin has waited."""
    counting = select(tasks.c.urgency, func.count()).where(tasks.c.state.in_(WAITING)).group_by(tasks.c.urgency)
    oldest = select(func.min(tasks.c.due_at)).where(tasks.c.state == TaskState.QUEUED.value)

    def work(connection: Connection) -> Standing:
        counts = {Priority(urgency): count for urgency, count in connection.execute(counting)}
        since = connection.execute(oldest).scalar_one()
        lag_s = 0.0 if since is None else max(0.0, store_now(connection, now) - since)
        return Standing({priority: counts.get(priority, 0) for priority in Priority}, lag_s)

    return await store.read(work)


async def cancel_task(store: Store, id_: str, now: float, retention_s: float) -> Task | None:
    """Cancel the task where it is under way; the task as it stands then, None where there is none.

    A worker that has it learns of it with its next heartbeat at the latest; what it brings then no longer counts.
    """

    def work(connection: Connection) -> Task | None:
        moment = store_now(connection, now)
        cancelling = (
            update(tasks)
            .where(tasks.c.id == id_, tasks.c.state.in_(UNDER_WAY))
            .values(state=TaskState.CANCELLED.value, finished_at=moment, due_at=moment + retention_s)
            .returning(tasks.c.webhook)
        )
        cancelled = connection.execute(cancelling).one_or_none()
        if cancelled is not None:
            add_delivery(connection, id_, cancelled.webhook, moment)
        row = connection.execute(select(*FIELDS).where(tasks.c.id == id_)).one_or_none()
        return None if row is None else task_from(row)

    return await store.write(work)


async def retry_task(store: Store, id_: str, now: float) -> Task | None:
    """Let a task that failed, died or was cancelled run again from its first attempt on; the task as it stands then,
    None where there is none. One that completed or is under way stays as it is."""
    states = (TaskState.FAILED.value, TaskState.DEAD.value, TaskState.CANCELLED.value)

    def work(connection: Connection) -> Task | None:
        connection.execute(
            update(tasks)
            .where(tasks.c.id == id_, tasks.c.state.in_(states))
            .values(
                state=TaskState.QUEUED.value,
                attempts=0,
                worker=None,
                finished_at=None,
                due_at=store_now(connection, now),
                error_type="",
                error_message="",
                progress=0,
            )
        )
        row = connection.execute(select(*FIELDS).where(tasks.c.id == id_)).one_or_none()
        return None if row is None else task_from(row)

    return await store.write(work)


def task_from(row: Sequence[Any]) -> Task:
    """The task in a row that begins with `FIELDS`."""
    values = list(row[: len(FIELDS)])
    values[2] = TaskState(values[2])
    values[3] = Priority(values[3])
    return Task._make(values)


def _submit(connection: Connection, new: NewTask, now: float) -> Submitted:
    if new.idempotency_key is not None:
        known = select(tasks.c.id).where(tasks.c.key_id == new.key_id, tasks.c.idempotency_key == new.idempotency_key)
        id_ = connection.execute(known).scalar_one_or_none()
        if id_ is not None:
            return Submitted(id_, is_new=False)
    moment = store_now(connection, now)
    connection.execute(insert(tasks).values(row_of(new, next_rank(connection, new), moment)))
    return Submitted(new.id, is_new=True)


def row_of(new: NewTask, rank: float, moment: float) -> dict[str, Any]:
    """The row of a task that is submitted."""
    return {
        "id": new.id,
        "state": TaskState.QUEUED.value,
        "urgency": int(new.priority),
        "rank": rank,
        "model": new.model,
        "key_id": new.key_id,
        "user_id": new.user_id,
        "dialect": new.dialect,
        "path": new.path,
        "body": new.body,
        "idempotency_key": new.idempotency_key,
        "webhook": new.webhook,
        "time_limit_s": new.time_limit_s,
        "created_at": moment,
        "due_at": moment,
        "attempts": 0,
        "claims": 0,
        "progress": 0,
        "prompt_tokens": 0,
        "status": 0,
        "error_type": "",
        "error_message": "",
    }


def next_rank(connection: Connection, new: NewTask) -> float:
    """The rank that a task submitted now gets; a step more for each that follows of the same key, model and class."""
    beside = and_(
        tasks.c.state == TaskState.QUEUED.value, tasks.c.model == new.model, tasks.c.urgency == int(new.priority)
    )
    last = connection.execute(select(func.max(tasks.c.rank)).where(beside, tasks.c.key_id == new.key_id)).scalar_one()
    if last is not None:
        return float(last) + rank_step(connection, new.key_id)
    return float(connection.execute(select(func.min(tasks.c.rank)).where(beside)).scalar_one() or 0.0)


def rank_step(connection: Connection, key_id: str) -> float:
    """How far a key's tasks stand behind each other: the heavier the key, the closer."""
    weight = connection.execute(select(keys.c.weight).where(keys.c.id == key_id)).scalar_one_or_none()
    return 1.0 / (weight or 1)


def _filtered(query: Select[Any], wanted: TaskFilter) -> Select[Any]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.states is not None:
        conditions.append(or_(*(tasks.c.state == state.value for state in wanted.states)))
    if wanted.key_id is not None:
        conditions.append(tasks.c.key_id == wanted.key_id)
    if wanted.user_id is not None:
        conditions.append(tasks.c.user_id == wanted.user_id)
    if wanted.model is not None:
        conditions.append(tasks.c.model == wanted.model)
    if wanted.since is not None:
        conditions.append(tasks.c.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(tasks.c.created_at < wanted.until)
    return query.where(*conditions)
