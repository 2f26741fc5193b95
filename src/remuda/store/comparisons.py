"""Comparisons at rest: making, looking up, deleting. `comparison_runs` is the side of whoever drives them."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, and_, delete, func, insert, null, or_, select, update

from remuda.core.comparison import (
    Comparison,
    ComparisonState,
    NewComparison,
    Prompt,
    Results,
    Run,
    RunState,
    Side,
    messages_of,
    planned,
)
from remuda.core.task import TaskState
from remuda.store.database import Store
from remuda.store.journal_batch import cleaned_text
from remuda.store.leases import store_now
from remuda.store.queries import is_one_of
from remuda.store.schema import tasks
from remuda.store.schema_insight_compare import comparison_prompts, comparison_runs, comparisons
from remuda.store.tasks import UNDER_WAY

MAX_PAGE: Final = 1000
MAX_OPEN: Final = 1000
"""Open comparisons that are told at once."""
MAX_FORGOTTEN: Final = 100
SHOWN_CHARS: Final = 32_000
"""Of the first prompt, where it is told as text."""
KEPT_S: Final = 60.0
"""How long the tasks of a comparison that was deleted are kept, for their workers to learn of it."""

_OPEN: Final = sorted(state.value for state in ComparisonState if not state.is_over)
_FIELDS: Final = tuple(comparisons.c[name] for name in Comparison._fields)
_RUN_FIELDS: Final = tuple(comparison_runs.c[name] for name in Run._fields)
_RUNNING: Final = and_(
    comparison_runs.c.comparison_id == comparisons.c.id, comparison_runs.c.state == RunState.RUNNING.value
)
_OPEN_ONES: Final = (
    select(comparisons.c.id, comparisons.c.key_id, or_(tasks.c.id.is_(None), ~is_one_of(tasks.c.state, UNDER_WAY)))
    .select_from(
        comparisons.outerjoin(comparison_runs, _RUNNING).outerjoin(tasks, tasks.c.id == comparison_runs.c.task_id)
    )
    .where(is_one_of(comparisons.c.state, _OPEN))
    .order_by(comparisons.c.id)
    .limit(MAX_OPEN)
)
_object: Final = msgspec.json.Decoder(dict[str, Any]).decode
_reasons: Final = msgspec.json.Decoder(list[str]).decode
_results: Final = msgspec.json.Decoder(Results).decode


class Open(NamedTuple):
    """A comparison that is not over."""

    id: int
    key_id: str
    is_due: bool
    """Whether there is something to do: no task of it is under way."""


async def add_comparison(store: Store, new: NewComparison, most_open: int, now: float) -> Comparison | None:
    """Keep a comparison with all its runs; None where its key has `most_open` under way. Raises StoreRefused,
    StoreUnavailable."""
    runs = planned(len(new.prompts), new.repeats)

    def work(connection: Connection) -> Comparison | None:
        own = (comparisons.c.key_id == new.key_id, comparisons.c.state.in_(_OPEN))
        if connection.execute(select(func.count()).select_from(comparisons).where(*own)).scalar_one() >= most_open:
            return None
        adding = insert(comparisons).values(
            key_id=new.key_id,
            name=cleaned_text(new.name),
            model_a=cleaned_text(new.model_a),
            model_b=cleaned_text(new.model_b),
            source=new.source,
            prompt=_shown(new.prompts[0]),
            prompts=len(new.prompts),
            repeats=new.repeats,
            parameters=msgspec.json.encode(new.parameters).decode(),
            state=ComparisonState.QUEUED.value,
            total=len(runs),
            done=0,
            reasons="[]",
            created_at=store_now(connection, now),
        )
        id_: int = connection.execute(adding.returning(comparisons.c.id)).scalar_one()
        connection.execute(
            insert(comparison_prompts),
            [
                # As JSON has it a NUL is an escape, which is only text to the database.
                {"comparison_id": id_, "prompt": number, "content": msgspec.json.encode(prompt).decode()}
                for number, prompt in enumerate(new.prompts)
            ],
        )
        connection.execute(insert(comparison_runs), [{"comparison_id": id_, **run._asdict()} for run in runs])
        return read_comparison(connection, id_)

    return await store.write(work)


async def find_comparison(store: Store, id_: int) -> Comparison | None:
    """The comparison of that id; None where there is none."""
    return await store.read(lambda connection: read_comparison(connection, id_))


async def comparison_page(store: Store, key_id: str | None, limit: int, before: int | None = None) -> list[Comparison]:
    """At most `limit` comparisons of that key (None: of all), newest first, with an id below `before`."""
    query = select(*_FIELDS).order_by(comparisons.c.id.desc()).limit(min(limit, MAX_PAGE))
    if key_id is not None:
        query = query.where(comparisons.c.key_id == key_id)
    if before is not None:
        query = query.where(comparisons.c.id < before)
    return await store.read(lambda connection: [comparison_from(row) for row in connection.execute(query)])


async def runs_of(store: Store, id_: int) -> list[Run]:
    """All runs of a comparison, in order."""
    query = select(*_RUN_FIELDS).where(comparison_runs.c.comparison_id == id_).order_by(comparison_runs.c.place)
    return await store.read(lambda connection: [run_from(row) for row in connection.execute(query)])


async def first_answers(store: Store, ids: Sequence[int]) -> dict[tuple[int, Side], str]:
    """The first answer of each side of these comparisons, as far as there are any."""
    query = select(comparison_runs.c.comparison_id, comparison_runs.c.side, comparison_runs.c.answer).where(
        comparison_runs.c.comparison_id.in_(ids),
        comparison_runs.c.prompt == 0,
        comparison_runs.c.repeat == 0,
        comparison_runs.c.answer.is_not(None),
    )
    return await store.read(
        lambda connection: {(row.comparison_id, Side(row.side)): row.answer for row in connection.execute(query)}
    )


async def open_comparisons(store: Store) -> list[Open]:
    """The comparisons that are not over, oldest first."""
    return await store.read(
        lambda connection: [Open(id_, key_id, bool(due)) for id_, key_id, due in connection.execute(_OPEN_ONES)]
    )


async def delete_comparison(store: Store, id_: int, now: float) -> list[str] | None:
    """Forget the comparison and all that came of it, and call off what it has under way; the ids of those tasks. None
    where there is no such comparison."""

    def work(connection: Connection) -> list[str] | None:
        held = connection.execute(select(comparisons.c.id).where(comparisons.c.id == id_).with_for_update())
        if held.one_or_none() is None:
            return None
        moment = store_now(connection, now)
        own = tasks.c.batch_id == batch_id_of(id_)
        cancelling = (
            update(tasks)
            .where(own, tasks.c.state.in_(UNDER_WAY))
            .values(state=TaskState.CANCELLED.value, finished_at=moment)
            .returning(tasks.c.id)
        )
        cancelled = list(connection.execute(cancelling).scalars())
        connection.execute(update(tasks).where(own).values(batch_id=None, due_at=moment + KEPT_S))
        _forget(connection, [id_])
        return cancelled

    return await store.write(work)


async def forget_comparisons(store: Store, before: float) -> int:
    """Forget comparisons that ended before that moment; how many those were."""

    def work(connection: Connection) -> int:
        is_old = and_(comparisons.c.state.not_in(_OPEN), comparisons.c.ended_at < before)
        old = list(connection.execute(select(comparisons.c.id).where(is_old).limit(MAX_FORGOTTEN)).scalars())
        _forget(connection, old)
        return len(old)

    return await store.write(work)


def batch_id_of(id_: int) -> str:
    """What a comparison's tasks belong to, so that nobody but who drives it forgets them."""
    return f"comparison_{id_}"


def read_comparison(connection: Connection, id_: int) -> Comparison | None:
    """As `find_comparison`, in the transaction of `connection`."""
    row = connection.execute(select(*_FIELDS).where(comparisons.c.id == id_)).one_or_none()
    return None if row is None else comparison_from(row)


def unanswered_runs(connection: Connection, id_: int) -> list[Run]:
    """As `runs_of`, in the transaction of `connection`, but without the answers: these may come to megabytes."""
    fields = [null().label("answer") if field.name == "answer" else field for field in _RUN_FIELDS]
    query = select(*fields).where(comparison_runs.c.comparison_id == id_).order_by(comparison_runs.c.place)
    return [run_from(row) for row in connection.execute(query)]


def comparison_from(row: Any) -> Comparison:
    """The comparison in a row of its fields."""
    values = row._asdict()
    values["parameters"] = _object(row.parameters)
    values["state"] = ComparisonState(row.state)
    values["reasons"] = _reasons(row.reasons)
    values["results"] = None if row.results is None else _results(row.results)
    return Comparison(**values)


def run_from(row: Any) -> Run:
    """The run in a row that begins with its fields."""
    values = row._asdict()
    values["side"] = Side(row.side)
    values["state"] = RunState(row.state)
    return Run(**{name: values[name] for name in Run._fields})


def _forget(connection: Connection, ids: Sequence[int]) -> None:
    for table, column in (
        (comparison_runs, comparison_runs.c.comparison_id),
        (comparison_prompts, comparison_prompts.c.comparison_id),
        (comparisons, comparisons.c.id),
    ):
        connection.execute(delete(table).where(column.in_(ids)))


def _shown(prompt: Prompt) -> str:
    """A prompt as text: of messages the last."""
    content = messages_of(prompt)[-1].get("content")
    text = content if isinstance(content, str) else msgspec.json.encode(content).decode()
    return cleaned_text(text[:SHOWN_CHARS])
