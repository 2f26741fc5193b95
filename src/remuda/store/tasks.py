"""Tasks at rest: submitting, looking up, listing, cancelling. `task_claims` is the workers' side.

A task's turn is decided when it is submitted (start-time fair queueing): tasks of one model and class run in the order
of their `rank`, and one gets the rank after the last of its key that still waits, or that of the first of all where
none does. So keys take turns, however many tasks each has, a heavier key more of them, and no claim needs to look at
more than the first rows.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, func, insert, or_, select, text, tuple_, update

from remuda.core.priority import Priority
from remuda.core.task import NewTask, Task, TaskResult, TaskState
from remuda.store.database import Store
from remuda.store.deliveries import add_delivery
from remuda.store.errors import StoreRefused
from remuda.store.leases import store_now
from remuda.store.queries import is_one_of
from remuda.store.schema import keys, tasks

MAX_PAGE: Final = 1000
RANKS_AT_ONCE: Final = 64
"""Looked up by one statement."""
WAITING: Final = (TaskState.QUEUED.value, TaskState.DELAYED.value)
UNDER_WAY: Final = (*WAITING, TaskState.RUNNING.value)

_COUNTING: Final = (
    select(tasks.c.urgency, func.count()).where(is_one_of(tasks.c.state, WAITING)).group_by(tasks.c.urgency)
)
_OLDEST: Final = select(func.min(tasks.c.due_at)).where(tasks.c.state == TaskState.QUEUED.value)

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
    return await store.write(lambda connection: _submit(connection, new, now))


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

    def work(connection: Connection) -> Standing:
        counts = {Priority(urgency): count for urgency, count in connection.execute(_COUNTING)}
        since = connection.execute(_OLDEST).scalar_one()
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


def _submit(connection: Connection, new: Sequence[NewTask], now: float) -> list[Submitted]:
    known = _known_keys(connection, new)
    submitted: list[Submitted] = []
    added: list[NewTask] = []
    for each in new:
        key = (each.key_id, each.idempotency_key)
        id_ = known.get(key)
        if id_ is None:
            if each.idempotency_key is not None:
                known[key] = each.id
            added.append(each)
        submitted.append(Submitted(id_ or each.id, is_new=id_ is None))
    if added:
        ranks = Ranks(connection, added)
        moment = store_now(connection, now)
        connection.execute(insert(tasks), [row_of(each, ranks.take(each), moment) for each in added])
    return submitted


def _known_keys(connection: Connection, new: Sequence[NewTask]) -> dict[tuple[str, str | None], str]:
    """Ids of the tasks that are there already, by key and idempotency key."""
    pairs = [(each.key_id, each.idempotency_key) for each in new if each.idempotency_key is not None]
    known: dict[tuple[str, str | None], str] = {}
    for start in range(0, len(pairs), MAX_PAGE):
        wanted = tuple_(tasks.c.key_id, tasks.c.idempotency_key).in_(pairs[start : start + MAX_PAGE])
        query = select(tasks.c.key_id, tasks.c.idempotency_key, tasks.c.id).where(wanted)
        known |= {(key_id, key): id_ for key_id, key, id_ in connection.execute(query)}
    return known


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


class Ranks:
    """The ranks that tasks submitted now get."""

    def __init__(self, connection: Connection, new: Iterable[NewTask]) -> None:
        lines = list({(each.model, int(each.priority), each.key_id): None for each in new})
        classes = list({line[:2]: None for line in lines})
        self._first = dict(zip(classes, _looked_up(connection, _FIRST, classes), strict=True))
        """By model and class: the rank of the next of all."""
        self._last = dict(zip(lines, _looked_up(connection, _LAST, lines), strict=True))
        """By model, class and key: the rank of the key's last."""
        self._weights = _weights_of(connection, list({line[2] for line in lines}))

    def take(self, new: NewTask) -> float:
        """That of the next one; all who are asked for were announced."""
        line = (new.model, int(new.priority), new.key_id)
        last = self._last[line]
        step = 1.0 / self._weights.get(new.key_id, 1)  # the heavier the key, the closer its tasks stand together
        rank = (self._first[line[:2]] or 0.0) if last is None else last + step
        self._last[line] = rank
        return rank


_BESIDE: Final = f"FROM tasks WHERE state = '{TaskState.QUEUED.value}'"
_FIRST: Final = f"(SELECT min(rank) {_BESIDE} AND model = :a{{0}} AND urgency = :b{{0}})"
_LAST: Final = f"(SELECT max(rank) {_BESIDE} AND model = :a{{0}} AND urgency = :b{{0}} AND key_id = :c{{0}})"


def _looked_up(connection: Connection, query: str, asked: Sequence[tuple[str | int, ...]]) -> list[float | None]:
    """What `query` finds for each of `asked`: one look into an index for each, and few statements, since many a one
    has a way to go to its database."""
    found: list[float | None] = []
    for start in range(0, len(asked), RANKS_AT_ONCE):
        some = asked[start : start + RANKS_AT_ONCE]
        values = {f"{name}{n}": value for n, each in enumerate(some) for name, value in zip("abc", each, strict=False)}
        found += connection.execute(
            text("SELECT " + ", ".join(query.format(n) for n in range(len(some)))), values
        ).one()
    return found


def _weights_of(connection: Connection, key_ids: Sequence[str]) -> dict[str, int]:
    """The weights of those keys that have another than 1."""
    found: dict[str, int] = {}
    for start in range(0, len(key_ids), RANKS_AT_ONCE):
        some = key_ids[start : start + RANKS_AT_ONCE]
        query = select(keys.c.id, keys.c.weight).where(keys.c.id.in_(some), keys.c.weight != 1)
        found |= {row.id: row.weight for row in connection.execute(query)}
    return found


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
