"""What requests came to in a span of time, read from rollups where they reach and from the journal where they do not.

A question is read in one snapshot, as plain rows; putting them together takes a while and is done in a thread of its
own, so that other work on the store goes on.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Select, and_, cast, func, literal, select, union_all

from remuda.core.sketch import quantiles
from remuda.core.spans import ALWAYS, Mark, Piece, cut
from remuda.core.tally import EXTREMES, SKETCHED, Counts, Tally, tallied
from remuda.core.threads import gently
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.rollups import PAST_COLUMNS, Past, marks_of, tally_of, untold_id
from remuda.store.schema import journal
from remuda.store.schema_insight_rollups import rollups

EXACT_UP_TO: Final = 100_000
"""So many requests are looked at one by one for quantiles; of more, sketches tell them."""
SINGLY_UP_TO: Final = 200_000
"""So many requests that no rollup tells are read for one answer: about 100 MB of memory."""
SHARES: Final = (0.5, 0.95, 0.99)
MAX_NAMED: Final = 50
"""Values that a query names, at most: where more are wanted, it finds all there are."""
ROWS_AT_ONCE: Final = 2000
"""Taken from the driver at once: where the store is on Postgres other work waits meanwhile, a few milliseconds."""

LIGHT: Final = 1024
HEAVY: Final = 64
"""Items that take about a millisecond, of those that take one step each and of those that take many."""

Quantiles = dict[str, list[float]]
"""For each of `SKETCHED`, in its unit: what stands at each of `SHARES`."""

_COLUMN_OF: Final = {
    "model": journal.c.model,
    "replica": journal.c.replica,
    "key": journal.c.key_id,
    "user": journal.c.user_id,
}
_BY_VALUE: Final = next(index.name for index in rollups.indexes)
_COUNTS: Final = [rollups.c[name] for name in Counts._fields]
_EXTREMES: Final = [rollups.c[f"{side}_{name}"] for side in ("low", "high") for name in EXTREMES]
_SKETCHES: Final = [rollups.c[f"sketch_{name}"] for name in SKETCHED]


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be told of the requests that started from `start` until before `end` (wall clock)."""

    start: float
    end: float
    dimension: str = "all"
    """By what they are told apart; `all` for not at all."""
    top: int = 10
    """How many values of it, those with most requests."""
    width_s: int | None = None
    """Seconds of each point of a series, whole minutes; None for one of the whole span."""
    wants_quantiles: bool = True
    wants_only_counts: bool = False
    """Of the groups of a whole span, which the database then adds up: no extremes and no quantiles. So it is where no
    quantiles are wanted at all, too."""
    exact_up_to: int = EXACT_UP_TO
    singly_up_to: int = SINGLY_UP_TO


@dataclass(slots=True)
class Sum:
    """What some requests came to."""

    tally: Tally = field(default_factory=Tally)
    """Without extremes in a series, and where `value` is None."""
    quantiles: Quantiles = field(default_factory=dict)


@dataclass(slots=True)
class Answer:
    """What was asked for."""

    total: dict[int, Sum]
    """All requests, by the beginning of their point (0 where there is only one); points without any are left out."""
    groups: dict[str | None, dict[int, Sum]]
    """The same for each value, that with most requests first; None stands for all other values together."""
    width_s: int | None
    """As asked, or more where of the span's beginning only coarser grains are kept."""
    is_exact: bool
    """Whether the quantiles are those of the requests themselves."""


@dataclass(slots=True)
class _Rows:
    width_s: int | None
    total: list[Sequence[Any]]
    """Rollups of all requests: their bucket, an empty value, and their tally."""
    groups: list[Sequence[Any]]
    values: list[str]
    past: list[Past]
    """Requests that no rollup told."""
    exact: list[Sequence[Any]] | None
    """Of each request its start, its value, and what quantiles are told of; None where there are too many."""


class TooManySingly(StoreError):
    """More requests than one answer may cost would have to be read singly: they are not rolled up yet, or the rollups
    of their time are not kept finely enough."""


async def answer(store: Store, question: Question) -> Answer:
    """The answer. Raises TooManySingly or another StoreError."""
    rows = await store.snapshot(lambda connection: _read(connection, question))
    return await asyncio.to_thread(_put_together, question, rows)


async def values_in(store: Store, dimension: str, start: float, end: float, limit: int) -> list[tuple[str, int]]:
    """The values of a dimension in a span and how many requests had them, most first. Raises StoreError."""
    return await store.snapshot(lambda connection: _ranked(connection, dimension, start, end, limit))


def _read(connection: Connection, question: Question) -> _Rows:
    start, end, dimension = question.start, question.end, question.dimension
    marks = marks_of(connection)
    width_s = question.width_s and _kept_width(question.width_s, start, marks)
    pieces = cut(start, end, [mark for mark in marks if width_s is None or width_s % mark.grain_s == 0])
    is_exact = question.wants_quantiles and _count(connection, start, end) <= question.exact_up_to
    columns = _COUNTS if width_s else [*_COUNTS, *_EXTREMES]
    if question.wants_quantiles and not is_exact:
        columns = [*columns, *_SKETCHES]
    values, groups = [], []
    if dimension != "all":
        values = [value for value, _ in _ranked(connection, dimension, start, end, question.top)]
        if not width_s and (question.wants_only_counts or not question.wants_quantiles):
            groups = _summed_rows(connection, pieces, dimension, values)
        else:
            groups = _rollup_rows(connection, pieces, dimension, values, columns)
    exact = None
    if is_exact:
        told = _COLUMN_OF.get(dimension, journal.c.dialect)
        query = select(
            journal.c.started_at, told, journal.c.duration_s, journal.c.ttft_s, journal.c.completion_tokens
        ).where(_within(start, end))
        exact = _fetched(connection, query)
    total = _rollup_rows(connection, pieces, "all", [""], columns)
    return _Rows(width_s, total, groups, values, _past(connection, pieces, question.singly_up_to), exact)


def _kept_width(width_s: int, start: float, marks: Sequence[Mark]) -> int:
    """The width, raised to a multiple of the finest grain that is kept of the span's beginning: else all of that would
    be read request by request."""
    finest = next((mark.grain_s for mark in marks if mark.since <= start), marks[-1].grain_s)
    return -(-width_s // finest) * finest


def _fetched(connection: Connection, query: Select[Any]) -> list[Sequence[Any]]:
    found: list[Sequence[Any]] = []
    for rows in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query).partitions():
        found += map(tuple, rows)
    return found


def _rollup_rows(
    connection: Connection, pieces: Iterable[Piece], dimension: str, values: Sequence[str], columns: Sequence[Any]
) -> list[Sequence[Any]]:
    found: list[Sequence[Any]] = []
    if not values:
        return found
    for piece in pieces:
        if piece.grain_s:
            query = (
                select(rollups.c.bucket, rollups.c.value, *columns)
                .where(_among(piece, dimension), rollups.c.value.in_(values))
                # Else SQLite, which keeps no count of values, goes through those of all.
                .with_hint(rollups, f"INDEXED BY {_BY_VALUE}", "sqlite")
            )
            found += _fetched(connection, query)
    return found


def _summed_rows(
    connection: Connection, pieces: Iterable[Piece], dimension: str, values: Sequence[str]
) -> list[Sequence[Any]]:
    """For each piece and value one row of counts."""
    found: list[Sequence[Any]] = []
    wanted = set(values)
    for piece in pieces:
        if piece.grain_s and values:
            # As whole numbers: Postgres adds up to decimal ones, which take longer to read than to find.
            sums = (cast(func.sum(column), BigInteger) for column in _COUNTS)
            query = select(rollups.c.value, *sums).where(_among(piece, dimension))
            if len(values) <= MAX_NAMED:
                query = query.where(rollups.c.value.in_(values))
            for value, *counts in connection.execute(query.group_by(rollups.c.value)):
                if value in wanted:
                    found.append((0, value, *counts))
    return found


def _past(connection: Connection, pieces: Sequence[Piece], limit: int) -> list[Past]:
    found: list[Past] = []
    until = untold_id(connection)
    for piece in pieces:
        query = select(*PAST_COLUMNS).where(_within(piece.start, piece.end))
        if piece.grain_s:
            if not until:
                continue
            query = query.where(journal.c.id <= until)
        found += map(Past._make, _fetched(connection, query.limit(limit + 1 - len(found))))
        if len(found) > limit:
            raise TooManySingly(f"more than {limit} requests of that time are not added up")
    return found


def _count(connection: Connection, start: float, end: float) -> int:
    return sum(many for _, many in _ranked(connection, "all", start, end, 1))


def _ranked(connection: Connection, dimension: str, start: float, end: float, limit: int) -> list[tuple[str, int]]:
    """The values with most requests in a span."""
    until = untold_id(connection)
    parts: list[Select[Any]] = []
    for piece in cut(start, end, marks_of(connection)):
        if piece.grain_s:
            parts.append(
                select(rollups.c.value.label("value"), func.sum(rollups.c.requests).label("many"))
                .where(_among(piece, dimension))
                .group_by(rollups.c.value)
            )
        if until or not piece.grain_s:
            told = _COLUMN_OF.get(dimension, literal(""))
            counting = select(told.label("value"), func.count().label("many")).where(_within(piece.start, piece.end))
            if piece.grain_s:
                counting = counting.where(journal.c.id <= until)
            parts.append(counting.group_by(told) if dimension in _COLUMN_OF else counting)
    if not parts:
        return []
    counted = union_all(*parts).subquery()
    many = func.sum(counted.c.many)
    query = select(counted.c.value, many).group_by(counted.c.value).order_by(many.desc(), counted.c.value).limit(limit)
    return [(value, int(count)) for value, count in connection.execute(query) if count]


def _among(piece: Piece, dimension: str) -> Any:
    return and_(
        rollups.c.grain == piece.grain_s,
        rollups.c.dimension == dimension,
        rollups.c.bucket >= int(piece.start),
        rollups.c.bucket < int(piece.end),
    )


def _within(start: float, end: float) -> Any:
    return and_(journal.c.started_at >= start, journal.c.started_at < end)


def _put_together(question: Question, rows: _Rows) -> Answer:
    width_s, dimension = rows.width_s, question.dimension
    wanted = set(rows.values)
    total: dict[int, list[Sequence[Any]]] = {}
    groups: dict[str, dict[int, list[Sequence[Any]]]] = {value: {} for value in rows.values}
    for bucket, _, *told in gently(rows.total, LIGHT):
        total.setdefault(_point(bucket, width_s), []).append(told)
    for bucket, value, *told in gently(rows.groups, LIGHT):
        groups[value].setdefault(_point(bucket, width_s), []).append(told)
    names = ("all",) if dimension == "all" else ("all", dimension)
    past = list(gently(rows.past, LIGHT))
    singly: dict[str, dict[int, Tally]] = {value: {} for value in rows.values}
    of_all: dict[int, Tally] = {}
    for (bucket, name, value), tally in tallied(past, [each.score for each in past], width_s or ALWAYS, names).items():
        if name == "all":
            of_all[_point(bucket, width_s)] = tally
        elif value in wanted:
            singly[value][_point(bucket, width_s)] = tally
    by_value: dict[str | None, dict[int, Sum]] = {
        value: _summed(points, singly[value]) for value, points in groups.items()
    }
    answer = Answer(_summed(total, of_all), by_value, width_s, is_exact=rows.exact is not None)
    if dimension != "all" and (others := _others(answer)):
        answer.groups[None] = others
    if rows.exact is not None:
        _set_exact(answer, rows.exact, width_s)
    elif question.wants_quantiles:
        for points in (answer.total, *answer.groups.values()):
            for each in gently(points.values(), HEAVY):
                sketched = zip(SKETCHED, each.tally.sketches, strict=True)
                each.quantiles = {name: quantiles(sketch, SHARES) for name, sketch in sketched}
    return answer


def _point(moment: float, width_s: int | None) -> int:
    return int(moment // width_s) * width_s if width_s else 0


def _summed(points: dict[int, list[Sequence[Any]]], singly: dict[int, Tally]) -> dict[int, Sum]:
    """Rollups and single requests together."""
    found = {}
    for point in gently(sorted({*points, *singly}), HEAVY):
        parts = [tally_of(points[point])] if point in points else []
        parts += [singly[point]] if point in singly else []
        found[point] = Sum(parts[0] if len(parts) == 1 else Tally.sum(parts))
    return found


def _others(answer: Answer) -> dict[int, Sum]:
    """What is in the total and in none of the groups."""
    found = {}
    for point, all_ in answer.total.items():
        told = [points[point].tally for points in answer.groups.values() if point in points]
        left = all_.tally.without(Tally.sum(told)) if told else all_.tally
        if left.counts[0]:
            found[point] = Sum(left)
    return found


def _set_exact(answer: Answer, exact: Iterable[Sequence[Any]], width_s: int | None) -> None:
    """Tell the quantiles of the requests themselves."""
    numbers: dict[tuple[str | None, int], tuple[list[float], list[float], list[float]]] = {}
    all_: dict[int, tuple[list[float], list[float], list[float]]] = {}
    for started_at, value, duration_s, ttft_s, tokens in gently(exact, LIGHT):
        point = _point(started_at, width_s)
        group = value if value in answer.groups else None
        for each in (
            numbers.setdefault((group, point), ([], [], [])),
            all_.setdefault(point, ([], [], [])),
        ):
            each[0].append(duration_s * 1e6)
            if ttft_s is not None:
                each[1].append(ttft_s * 1e6)
            if tokens > 0 and duration_s > 0:
                each[2].append(tokens / duration_s * 1e3)
    for point, sum_ in answer.total.items():
        sum_.quantiles = _exact(all_.get(point, ([], [], [])))
    for value, points in answer.groups.items():
        for point, sum_ in points.items():
            sum_.quantiles = _exact(numbers.get((value, point), ([], [], [])))


def _exact(columns: Iterable[list[float]]) -> Quantiles:
    found = {}
    for name, column in zip(SKETCHED, columns, strict=True):
        column.sort()
        found[name] = [column[int(len(column) * share)] if column else 0.0 for share in SHARES]
    return found
