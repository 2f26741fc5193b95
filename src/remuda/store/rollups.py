"""Adding up what requests come to, in the very transactions that record them.

    record -> minute -> (two minutes later) 5 minutes -> hour -> day

`note_in_rollups`, a hook of the journal's ledger, adds a batch to the rows of its minutes; `roll_up` makes the coarser
rows of whole spans, one span a step, and moves their mark in the same transaction. What is recorded late, for a span
whose coarser rows are made already, is added to those at once. So each request is in each grain once or, behind that
grain's mark, not yet; whatever was cut off has either happened or not.

All that writes here holds the lock on the journal's counter. What was in the journal before there were rollups is added
by `roll_up_journal` the same way.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from operator import add
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, and_, delete, func, select, update

from remuda.core.record import RequestRecord
from remuda.core.sketch import merge_packed, packed, packed_with
from remuda.core.spans import DAY, GRAINS, MINUTE, Mark
from remuda.core.tally import DIMENSIONS, EXTREMES, Counts, Measured, Place, Tally, tallied
from remuda.core.threads import gently
from remuda.store.database import ROWS_PER_INSERT, Store, insert_rows
from remuda.store.errors import StoreRefused
from remuda.store.schema import counters, journal
from remuda.store.schema_insight_rollups import rollup_marks, rollups

MAX_VALUES: Final = 2000
"""Values of one dimension in one span of a coarser grain, those with most requests: clients name users and models as
they like. The others are one value together."""
OTHERS: Final = "(others)"
MAX_SUM: Final = 2**53
"""No sum is kept larger: it is nonsense that an engine counted, and must not keep the records of its batch out."""
SLACK_S: Final = 120
"""How long after its end a span is rolled up: by then most of its requests are recorded."""
PRUNE_STEP: Final = 5000
ROWS_A_BREATH: Final = 32
"""Rows that are read or made in about a millisecond."""

_WIDTH: Final = len(Counts._fields)
_SIDE: Final = len(EXTREMES)
_COLUMNS: Final = [column.name for column in rollups.columns]
_KEYS: Final = ("grain", "dimension", "bucket", "value")
_CONFLICT: Final = f" ON CONFLICT ({', '.join(_KEYS)}) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in _COLUMNS if name not in _KEYS
)
_ARRAYS: Final = ", ".join(
    f"${at}::{'bytea' if name.startswith('sketch_') else 'text' if name in ('dimension', 'value') else 'bigint'}[]"
    for at, name in enumerate(_COLUMNS, 1)
)
_PUT_ON_POSTGRES: Final = f"INSERT INTO rollups ({', '.join(_COLUMNS)}) SELECT * FROM unnest({_ARRAYS})" + _CONFLICT
_FIND_ON_POSTGRES: Final = (
    f"SELECT {', '.join(_COLUMNS)} FROM rollups JOIN unnest($1::text[], $2::bigint[], $3::text[]) "
    "AS wanted(dimension, bucket, value) USING (dimension, bucket, value) WHERE grain = $4"
)
# The wanted first, and each looked up by its key: with `IN`, SQLite goes through the whole table.
_FIND_ON_SQLITE: Final = (
    f"SELECT {', '.join(_COLUMNS[1:])} FROM (VALUES {{wanted}}) AS wanted CROSS JOIN rollups "
    "ON grain = ? AND dimension = column1 AND bucket = column2 AND value = column3"
)

# Built once: they are asked four times a second.
_MARKS = select(rollup_marks.c.grain, rollup_marks.c.since, rollup_marks.c.until).order_by(rollup_marks.c.grain)
_LOCK = select(counters.c.value).where(counters.c.name == "journal").with_for_update()
_UNTOLD = select(counters.c.value).where(counters.c.name == "rollups")


class Past(NamedTuple):
    """One request of the journal, as far as it is added up; satisfies `core.tally.Measured`."""

    id: int
    score: float
    started_at: float
    model: str
    replica: str
    key_id: str
    user_id: str
    status: int
    fault: str
    is_streamed: bool
    is_truncated: bool
    queue_wait_s: float
    ttft_s: float | None
    duration_s: float
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost_nano: int
    electricity_nano: int
    energy_j: float | None


PAST_COLUMNS: Final = tuple(journal.c[name] for name in Past._fields)


def note_in_rollups(
    connection: Connection, records: Sequence[RequestRecord], scores: Sequence[float], first_id: int
) -> None:
    """Add the records to the rows of their minutes: a hook of the journal's ledger. Raises StoreRefused where a number
    of theirs is none."""
    del first_id
    try:
        _add(connection, records, scores)
    except (ValueError, OverflowError) as error:
        raise StoreRefused(f"a record cannot be added up: {error}") from error


def marks_of(connection: Connection) -> list[Mark]:
    """From when until when each grain is kept, the finest first."""
    return [Mark(*row) for row in connection.execute(_MARKS)]


def untold_id(connection: Connection) -> int:
    """Entries of the journal up to this id are not in the rollups yet; 0 where all are."""
    return int(connection.execute(_UNTOLD).scalar_one())


def tally_of(rows: Sequence[Sequence[Any]]) -> Tally:
    """What rows, one at least, come to together: each the counts, then perhaps extremes, then perhaps sketches."""
    if len(rows) == 1:
        return _tally_of_one(rows[0])
    columns = list(zip(*rows, strict=True))
    tally = Tally([sum(column) for column in columns[:_WIDTH]])
    rest = columns[_WIDTH:]
    if len(rest) >= 2 * _SIDE:
        tally.lows = list(map(min, rest[:_SIDE]))
        tally.highs = list(map(max, rest[_SIDE : 2 * _SIDE]))
        rest = rest[2 * _SIDE :]
    for sketch, column in zip(tally.sketches, rest, strict=False):
        for data in column:
            merge_packed(sketch, data)
    return tally


def _tally_of_one(row: Sequence[Any]) -> Tally:
    # Of most points of a fine series there is one row.
    tally = Tally(row[:_WIDTH])
    rest = row[_WIDTH:]
    if len(rest) >= 2 * _SIDE:
        tally.lows, tally.highs = rest[:_SIDE], rest[_SIDE : 2 * _SIDE]
        rest = rest[2 * _SIDE :]
    for sketch, data in zip(tally.sketches, rest, strict=False):
        merge_packed(sketch, data)
    return tally


async def roll_up_journal(store: Store, count: int = 2000) -> int:
    """Add the newest `count` entries that the rollups do not know yet; return how many. Raises StoreError."""

    def look(connection: Connection) -> tuple[int, list[Past]]:
        until = untold_id(connection)
        query = select(*PAST_COLUMNS).where(journal.c.id <= until).order_by(journal.c.id.desc()).limit(count)
        return until, list(map(Past._make, connection.execute(query))) if until else []

    until, found = await store.read(look)
    if not until:
        return 0

    def add(connection: Connection) -> int:
        connection.execute(_LOCK)
        if untold_id(connection) != until:
            return 0  # another gateway did it
        _add(connection, found, [past.score for past in found])
        rest = found[-1].id - 1 if len(found) == count else 0
        connection.execute(update(counters).where(counters.c.name == "rollups").values(value=rest))
        return len(found)

    return await store.write(add)


class Step(NamedTuple):
    """One move of a grain's mark."""

    mark: Mark
    until: int
    """Where the mark is to stand."""
    requests: int
    """Of the finer rows that were added up; where there are more meanwhile, it is done again."""
    rows: list[Sequence[Any]]
    """The finer rows: their dimension, bucket and value, and then their tally."""


async def next_step(store: Store, now: float) -> Step | None:
    """What is to be rolled up next, at the moment `now`; None where nothing is. Raises StoreError."""

    def look(connection: Connection) -> Step | None:
        finer, *marks = marks_of(connection)
        limit = int(now) - SLACK_S
        for mark in marks:
            limit = min(limit, finer.until) // mark.grain_s * mark.grain_s
            if mark.until < limit:
                return _step(connection, finer.grain_s, mark, limit)
            finer = mark
        return None

    return await store.read(look)


def rows_of(step: Step) -> list[Sequence[Any]]:
    """The rows that a step makes. Takes a while: call it in a thread."""
    found: dict[Place, list[Sequence[Any]]] = {}
    counted: dict[str, dict[str, int]] = {}
    for dimension, bucket, value, *rest in step.rows:
        start = bucket // step.mark.grain_s * step.mark.grain_s
        found.setdefault((start, dimension, value), []).append(rest)
        values = counted.setdefault(dimension, {})
        values[value] = values.get(value, 0) + rest[0]
    for dimension, values in counted.items():
        for value in sorted(values, key=lambda each: (-values[each], each))[MAX_VALUES:]:
            for place in [place for place in found if place[1:] == (dimension, value)]:
                found.setdefault((place[0], dimension, OTHERS), []).extend(found.pop(place))
    return [_row(step.mark.grain_s, place, tally_of(rows)) for place, rows in found.items()]


async def take_step(store: Store, step: Step, rows: Sequence[Sequence[Any]]) -> bool:
    """Keep the rows and move the mark; False where something came in between. Raises StoreError."""

    def work(connection: Connection) -> bool:
        connection.execute(_LOCK)
        marks = marks_of(connection)
        if step.mark not in marks:
            return False
        finer = marks[marks.index(step.mark) - 1].grain_s
        if _requests(connection, finer, step.mark.until, step.until) != step.requests:
            return False
        insert_rows(connection, rollups, rows)
        moving = update(rollup_marks).where(rollup_marks.c.grain == step.mark.grain_s).values(until=step.until)
        connection.execute(moving)
        return True

    return await store.write(work)


async def prune_rollups(store: Store, kept_s: Mapping[int, int]) -> int:
    """Remove rows that are older than `kept_s` says of their grain (in seconds; what is missing is kept for ever) and
    are part of coarser ones; return how many. Raises StoreError."""
    removed = 0
    for grain_s in GRAINS:
        if kept_s.get(grain_s):
            since = await store.write(partial(_raise_since, grain_s=grain_s, kept_s=kept_s[grain_s]))
            for dimension in DIMENSIONS:
                removed += await _prune(store, grain_s, dimension, since)
    return removed


def _add(connection: Connection, records: Sequence[Measured], scores: Sequence[float]) -> None:
    for grain_s, tallies in _deltas(records, scores, marks_of(connection)).items():
        if tallies:
            _raise(connection, grain_s, tallies)


def _deltas(
    records: Sequence[Measured], scores: Sequence[float], marks: Sequence[Mark]
) -> dict[int, dict[Place, Tally]]:
    """What is to be added to each grain: to the finest that is kept of that time, and to those that are made of it
    already."""
    found: dict[int, dict[Place, Tally]] = {grain_s: {} for grain_s in GRAINS}
    if all(record.started_at >= marks[0].since for record in records):
        found[MINUTE] = tallied(records, scores, MINUTE)
    else:
        by_grain: dict[int, list[tuple[Measured, float]]] = {}
        for record, score in zip(records, scores, strict=True):
            grain_s = next((mark.grain_s for mark in marks if record.started_at >= mark.since), DAY)
            by_grain.setdefault(grain_s, []).append((record, score))
        for grain_s, pairs in by_grain.items():
            found[grain_s] = tallied([each[0] for each in pairs], [each[1] for each in pairs], grain_s)
    for finer, mark in zip(GRAINS, marks[1:], strict=False):
        made = found[mark.grain_s]
        for (bucket, dimension, value), tally in found[finer].items():
            if bucket < mark.until:
                place = (bucket // mark.grain_s * mark.grain_s, dimension, value)
                made[place] = Tally.sum([made[place], tally] if place in made else [tally])
    return found


def _raise(connection: Connection, grain_s: int, tallies: Mapping[Place, Tally]) -> None:
    rows = {
        (bucket, dimension, value): rest
        for dimension, bucket, value, *rest in _found(connection, grain_s, list(tallies))
    }
    added = gently(sorted(tallies.items(), key=_by_place), ROWS_A_BREATH)
    _put(
        connection,
        [
            _raised(grain_s, place, rows[place], tally) if place in rows else _row(grain_s, place, tally)
            for place, tally in added
        ],
    )


def _by_place(item: tuple[Place, Tally]) -> tuple[str, int, str]:
    bucket, dimension, value = item[0]
    return dimension, bucket, value


def _row(grain_s: int, place: Place, tally: Tally) -> Sequence[Any]:
    bucket, dimension, value = place
    sketches = map(packed, tally.sketches)
    return (grain_s, dimension, bucket, value, *_bounded(tally.counts), *tally.lows, *tally.highs, *sketches)


def _raised(grain_s: int, place: Place, row: Sequence[Any], tally: Tally) -> Sequence[Any]:
    """As `_row`, of a tally and what is there already: this is done for each value with every batch."""
    bucket, dimension, value = place
    counts = _bounded(map(add, row, tally.counts))
    lows = map(min, row[_WIDTH:], tally.lows)
    highs = map(max, row[_WIDTH + _SIDE :], tally.highs)
    sketches = map(packed_with, row[_WIDTH + 2 * _SIDE :], tally.sketches)
    return (grain_s, dimension, bucket, value, *counts, *lows, *highs, *sketches)


def _bounded(counts: Iterable[int]) -> list[int]:
    return [max(-MAX_SUM, min(count, MAX_SUM)) for count in counts]


def _found(connection: Connection, grain_s: int, places: Sequence[Place]) -> Iterable[Sequence[Any]]:
    """The rows of these places that there are, without their grain."""
    if connection.dialect.name == "postgresql":
        buckets, dimensions, values = map(list, zip(*places, strict=True))
        return [
            row[1:] for row in connection.exec_driver_sql(_FIND_ON_POSTGRES, (dimensions, buckets, values, grain_s))
        ]
    found: list[Sequence[Any]] = []
    for start in range(0, len(places), ROWS_PER_INSERT):
        some = places[start : start + ROWS_PER_INSERT]
        query = _FIND_ON_SQLITE.format(wanted=", ".join(["(?, ?, ?)"] * len(some)))
        bound = [each for bucket, dimension, value in some for each in (dimension, bucket, value)]
        found += connection.exec_driver_sql(query, (*bound, grain_s))
    return found


def _put(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Keep the rows, in place of those of the same key."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_PUT_ON_POSTGRES, tuple(map(list, zip(*rows, strict=True))))
    else:
        insert_rows(connection, rollups, rows, ending=_CONFLICT)


def _requests(connection: Connection, grain_s: int, since: int, until: int) -> int:
    summing = select(func.sum(rollups.c.requests)).where(
        rollups.c.grain == grain_s, rollups.c.dimension == "all", _within(since, until)
    )
    return int(connection.execute(summing).scalar() or 0)


def _within(since: int, until: int) -> Any:
    return and_(rollups.c.bucket >= since, rollups.c.bucket < until)


def _step(connection: Connection, finer_s: int, mark: Mark, limit: int) -> Step:
    """From the mark over the next span in which there was anything; to the limit where there is none before it."""
    first = select(func.min(rollups.c.bucket)).where(
        rollups.c.grain == finer_s, rollups.c.dimension == "all", _within(mark.until, limit)
    )
    bucket = connection.execute(first).scalar()
    if bucket is None:
        return Step(mark, limit, 0, [])
    until = bucket // mark.grain_s * mark.grain_s + mark.grain_s
    rows = select(*rollups.columns[1:]).where(
        rollups.c.grain == finer_s, rollups.c.dimension.in_(DIMENSIONS), _within(bucket, until)
    )
    return Step(
        mark, until, _requests(connection, finer_s, bucket, until), [tuple(row) for row in connection.execute(rows)]
    )


def _raise_since(connection: Connection, grain_s: int, kept_s: int) -> int:
    """From when on the grain is kept from now on."""
    marks = {mark.grain_s: mark for mark in marks_of(connection)}
    mark = marks[grain_s]
    coarser = next((each for each in sorted(marks) if each > grain_s), None)
    # Only what stands in a coarser grain already is removed; of days there is none coarser.
    until = mark.until if coarser is None else marks[coarser].until
    since = max(mark.since, (until - kept_s) // grain_s * grain_s)
    connection.execute(update(rollup_marks).where(rollup_marks.c.grain == grain_s).values(since=since))
    return since


async def _prune(store: Store, grain_s: int, dimension: str, since: int) -> int:
    old = and_(rollups.c.grain == grain_s, rollups.c.dimension == dimension, rollups.c.bucket < since)
    last = select(rollups.c.bucket).where(old).order_by(rollups.c.bucket).offset(PRUNE_STEP).limit(1)

    def step(connection: Connection) -> int:
        bucket = connection.execute(last).scalar()
        some = old if bucket is None else and_(old, rollups.c.bucket <= bucket)
        return connection.execute(delete(rollups).where(some)).rowcount

    removed = 0
    while done := await store.write(step):
        removed += done
    return removed
