"""What the journal tells of a while's traffic, in few bounded questions."""

from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Integer, Subquery, and_, case, cast, func, literal, select, union_all

from remuda.core.traffic import LONG_TOKENS, WAITED_S, Beginning, Load, ReplicaTraffic, Traffic, Window
from remuda.store.comparison_runs import DIALECT
from remuda.store.database import Store
from remuda.store.schema import journal, journal_content

OPERATIONS: Final = ("chat", "completion", "response")
BUCKET_S: Final = 300
_SUMMED: Final = (
    "started_at",
    "model",
    "replica",
    "status",
    "fault",
    "is_streamed",
    "queue_wait_s",
    "ttft_s",
    "duration_s",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "temperature",
    "is_truncated",
    "cost_nano",
    "score",
)
MAX_GROUPS: Final = 1000
"""Replicas of models that are told of, those with most requests first."""


async def replica_traffic(store: Store, window: Window) -> list[ReplicaTraffic]:
    """The traffic of each replica of each model."""
    r = _recent(window, *_SUMMED).c
    is_well = and_(r.fault == "", r.status < 400)
    tokens = r.prompt_tokens + r.completion_tokens

    def of(condition: ColumnElement[bool], value: Any = 1, otherwise: Any = 0) -> ColumnElement[Any]:
        return func.sum(case((condition, value), else_=otherwise))

    figures: dict[str, ColumnElement[Any]] = {
        "requests": func.count(),
        "failed": of(is_well, 0, 1),
        "latency_s": of(is_well, r.duration_s, 0.0),
        "score": func.sum(r.score),
        "temperatures": func.count(r.temperature),
        "temperature": func.coalesce(func.sum(r.temperature), 0.0),
        "streams": of(_is_stream(is_well, r)),
        "ttft_s": of(_is_stream(is_well, r), r.ttft_s, 0.0),
        "prompt_tokens": of(is_well, r.prompt_tokens),
        "cached_tokens": of(is_well, r.cached_tokens),
        "completion_tokens": of(is_well, r.completion_tokens),
        "work_s": of(is_well, r.duration_s - r.queue_wait_s, 0.0),
        "long": of(and_(is_well, tokens > LONG_TOKENS)),
        "excess_tokens": of(and_(is_well, tokens > LONG_TOKENS), tokens - LONG_TOKENS),
        "waited": of(r.queue_wait_s > WAITED_S),
        "wait_s": func.sum(r.queue_wait_s),
        "truncated": of(r.is_truncated),
        "cost_nano": func.sum(r.cost_nano),
    }
    wholes = {name for name, kind in Traffic.__annotations__.items() if kind is int}
    query = (
        select(
            r.model,
            r.replica,
            func.min(r.started_at),
            # Postgres adds whole numbers up to a NUMERIC.
            *(cast(figures[name], BigInteger) if name in wholes else figures[name] for name in Traffic._fields),
        )
        .group_by(r.model, r.replica)
        .order_by(func.count().desc(), r.model, r.replica)
        .limit(MAX_GROUPS)
    )
    return await store.read(
        lambda connection: [
            ReplicaTraffic(model, replica, Traffic._make(sums), first_at)
            for model, replica, first_at, *sums in connection.execute(query)
        ]
    )


async def slower_than(store: Store, window: Window, latency_s: float) -> tuple[int, float]:
    """How many requests that went well took longer than that, and how long those took together."""
    r = _recent(window, "fault", "status", "duration_s").c
    query = select(func.count(), func.coalesce(func.sum(r.duration_s), 0.0)).where(
        r.fault == "", r.status < 400, r.duration_s > latency_s
    )

    def work(connection: Any) -> tuple[int, float]:
        count, seconds = connection.execute(query).one()
        return int(count), float(seconds)

    return await store.read(work)


async def loads(store: Store, window: Window) -> dict[str, Load]:
    """How many requests each replica had at once."""
    r = _recent(window, "replica", "started_at", "queue_wait_s", "duration_s").c
    begins = r.started_at + r.queue_wait_s
    edges = union_all(
        select(r.replica.label("replica"), begins.label("moment"), literal(1).label("step")).where(r.replica != ""),
        select(r.replica, r.started_at + r.duration_s, literal(-1)).where(r.replica != ""),
    ).subquery()
    running = select(
        edges.c.replica,
        # Of edges at one moment, ends come first: a slot that is given on is one slot.
        func.sum(edges.c.step)
        .over(partition_by=edges.c.replica, order_by=(edges.c.moment, edges.c.step), rows=(None, 0))
        .label("at_once"),
    ).subquery()
    peaks = select(running.c.replica, cast(func.max(running.c.at_once), Integer)).group_by(running.c.replica)
    bucket = cast(r.started_at / BUCKET_S, BigInteger)
    busy = (
        select(r.replica.label("replica"), (func.sum(r.duration_s - r.queue_wait_s) / BUCKET_S).label("load"))
        .where(r.replica != "")
        .group_by(r.replica, bucket)
        .subquery()
    )
    busiest = select(busy.c.replica, func.max(busy.c.load)).group_by(busy.c.replica)

    def work(connection: Any) -> dict[str, Load]:
        averages = {replica: float(load) for replica, load in connection.execute(busiest)}
        return {replica: Load(peak, averages[replica]) for replica, peak in connection.execute(peaks)}

    return await store.read(work)


async def prompt_beginnings(store: Store, window: Window, *, chars: int, most: int, cut_chars: int) -> list[Beginning]:
    """How the newest `most` stored prompts begin; left out are those of just `cut_chars`, where the journal cuts the
    beginning off."""
    length = func.length(journal_content.c.prompt_text)
    query = (
        select(
            journal.c.model,
            journal.c.replica,
            func.substr(journal_content.c.prompt_text, 1, chars),
            length,
            journal.c.prompt_tokens,
            journal.c.cached_tokens,
        )
        .join(journal, journal.c.id == journal_content.c.journal_id)
        .where(
            journal_content.c.started_at >= window.since,
            journal_content.c.started_at < window.until,
            journal.c.operation.in_(OPERATIONS),
            journal.c.dialect != DIALECT,
            journal.c.fault == "",
            journal.c.replica != "",
            length > 0,
            length != cut_chars,
        )
        .order_by(journal_content.c.started_at.desc())
        .limit(most)
    )
    return await store.read(lambda connection: [Beginning(*row) for row in connection.execute(query)])


def _recent(window: Window, *names: str) -> Subquery:
    """These columns of the requests of a window."""
    return (
        select(*(journal.c[name] for name in names))
        .where(
            journal.c.started_at >= window.since,
            journal.c.started_at < window.until,
            journal.c.operation.in_(OPERATIONS),
            journal.c.dialect != DIALECT,
            journal.c.model != "",
        )
        .order_by(journal.c.started_at.desc())
        .limit(window.most)
        .subquery()
    )


def _is_stream(is_well: ColumnElement[bool], r: Any) -> ColumnElement[bool]:
    return and_(is_well, r.is_streamed, r.ttft_s.is_not(None))
