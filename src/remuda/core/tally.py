"""What many requests come to: counts, sums, extremes, and sketches of how long they took.

All numbers are whole (times in microseconds, rates in thousandths of a token per second, scores in ten-thousandths,
energy in millijoules, money in 10^-9 of the unit), so that sums do not depend on who added what first: the sum over all
models is the sum over all keys, to the last digit.
"""

from collections.abc import Sequence
from operator import add, attrgetter, itemgetter, sub
from typing import Any, Final, NamedTuple, Protocol, Self

from remuda.core.record import columns_of
from remuda.core.sketch import Sketch, merge, sketch_of, without

UNSEEN_LOW: Final = 2**62
"""The least of no numbers."""
UNSEEN_HIGH: Final = -1
"""The largest of no numbers."""

DIMENSIONS: Final = ("all", "model", "replica", "key", "user")
"""By what requests are told apart: each alone, and no two together."""
MANY: Final = 4
_FIELDS: Final = {"model": "model", "replica": "replica", "key": "key_id", "user": "user_id"}


class Counts(NamedTuple):
    """What adds up."""

    requests: int = 0
    errors: int = 0
    """Refused, failed, cut off or called off."""
    streamed: int = 0
    truncated: int = 0
    """Whose prompt the engine saw only in part."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    latency_us: int = 0
    first_tokens: int = 0
    """Requests with a time to first token."""
    ttft_us: int = 0
    rated: int = 0
    """Requests with tokens per second: those that were answered with any."""
    rate_milli: int = 0
    """Sum of their tokens per second, in thousandths."""
    queue_wait_us: int = 0
    score_e4: int = 0
    cost_nano: int = 0
    electricity_nano: int = 0
    metered: int = 0
    """Requests whose energy a meter told."""
    energy_mj: int = 0


EXTREMES: Final = ("latency_us", "ttft_us", "rate_milli", "queue_wait_us", "score_e4")
"""Of what the least and the largest is kept."""
SKETCHED: Final = ("latency_us", "ttft_us", "rate_milli")
"""Of what quantiles are."""


class Measured(Protocol):
    """What is measured of one request, in a named tuple; a `RequestRecord` has it."""

    @property
    def status(self) -> int: ...
    @property
    def fault(self) -> str: ...
    @property
    def is_streamed(self) -> bool: ...
    @property
    def is_truncated(self) -> bool: ...
    @property
    def prompt_tokens(self) -> int: ...
    @property
    def completion_tokens(self) -> int: ...
    @property
    def cached_tokens(self) -> int: ...
    @property
    def duration_s(self) -> float: ...
    @property
    def ttft_s(self) -> float | None: ...
    @property
    def queue_wait_s(self) -> float: ...
    @property
    def cost_nano(self) -> int: ...
    @property
    def electricity_nano(self) -> int: ...
    @property
    def energy_j(self) -> float | None: ...
    @property
    def started_at(self) -> float: ...
    @property
    def model(self) -> str: ...
    @property
    def replica(self) -> str: ...
    @property
    def key_id(self) -> str: ...
    @property
    def user_id(self) -> str: ...


One = tuple[Any, ...]
"""One request as it is added to tallies: what `_MEASURED` names of it, and its score."""

_MEASURED: Final = attrgetter(
    "status",
    "fault",
    "is_streamed",
    "is_truncated",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "duration_s",
    "ttft_s",
    "queue_wait_s",
    "cost_nano",
    "electricity_nano",
    "energy_j",
)


class Tally:
    """What some requests come to."""

    __slots__ = ("counts", "highs", "lows", "sketches")

    def __init__(self, counts: Sequence[int] = Counts(), lows: Sequence[int] = (), highs: Sequence[int] = ()) -> None:
        self.counts: Sequence[int] = counts
        """In the order of `Counts`."""
        self.lows: Sequence[int] = lows or (UNSEEN_LOW,) * len(EXTREMES)
        """In the order of `EXTREMES`."""
        self.highs: Sequence[int] = highs or (UNSEEN_HIGH,) * len(EXTREMES)
        self.sketches: Sequence[Sketch] = ({}, {}, {})
        """In the order of `SKETCHED`."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tally) and all(
            list(getattr(self, name)) == list(getattr(other, name)) for name in self.__slots__
        )

    @property
    def told(self) -> Counts:
        """The counts by their names."""
        return Counts._make(self.counts)

    @classmethod
    def of(cls, ones: Sequence[One]) -> "Tally":
        """What requests come to, of which there is one at least."""
        return cls.of_columns(list(zip(*ones, strict=True)))

    @classmethod
    def of_columns(cls, columns: Sequence[Sequence[Any]]) -> "Tally":
        """As `of`; each column holds one thing that is measured, of all requests."""
        # It is done with every request that is recorded, and so most of it in no loop of Python.
        (
            statuses, faults, streamed, truncated, prompts, completions, cached, durations, ttfts, waits, costs,
            electricity, energies, scores,
        ) = columns  # fmt: skip
        errors = 0
        if max(statuses) >= 400 or any(faults):
            errors = sum(1 for status, fault in zip(statuses, faults, strict=True) if fault or status >= 400)
        latencies_us = [round(each * 1e6) for each in durations]
        ttfts_us = [round(each * 1e6) for each in ttfts if each is not None]
        rates_milli = [
            round(tokens / seconds * 1e3)
            for tokens, seconds in zip(completions, durations, strict=True)
            if tokens > 0 and seconds > 0
        ]
        waits_us = [round(each * 1e6) for each in waits] if any(waits) else [0]
        scores_e4 = [round(each * 1e4) for each in scores]
        energies_mj = [round(each * 1e3) for each in energies if each is not None]
        counts = Counts(
            len(statuses),
            errors,
            sum(streamed),
            sum(truncated),
            sum(prompts),
            sum(completions),
            sum(cached),
            sum(latencies_us),
            len(ttfts_us),
            sum(ttfts_us),
            len(rates_milli),
            sum(rates_milli),
            sum(waits_us),
            sum(scores_e4),
            sum(costs),
            sum(electricity),
            len(energies_mj),
            sum(energies_mj),
        )
        extremes = (latencies_us, ttfts_us, rates_milli, waits_us, scores_e4)
        lows = [min(each, default=UNSEEN_LOW) for each in extremes]
        tally = cls(counts, lows, [max(each, default=UNSEEN_HIGH) for each in extremes])
        tally.sketches = tuple(map(sketch_of, extremes[:3]))
        return tally

    @classmethod
    def sum(cls, tallies: Sequence["Tally"]) -> "Tally":
        """All requests of some tallies, of which there is one at least."""
        total = cls(
            list(map(sum, zip(*(each.counts for each in tallies), strict=True))),
            list(map(min, zip(*(each.lows for each in tallies), strict=True))),
            list(map(max, zip(*(each.highs for each in tallies), strict=True))),
        )
        for each in tallies:
            for sketch, more in zip(total.sketches, each.sketches, strict=True):
                merge(sketch, more)
        return total

    def add(self, other: Self) -> None:
        """Add all requests of another one."""
        self.counts = list(map(add, self.counts, other.counts))
        self.lows = list(map(min, self.lows, other.lows))
        self.highs = list(map(max, self.highs, other.highs))
        for sketch, more in zip(self.sketches, other.sketches, strict=True):
            if more:
                merge(sketch, more)

    def without(self, part: Self) -> "Tally":
        """The requests of this one that are not in `part`, all of which are in it. Its extremes are not known."""
        left = Tally(list(map(sub, self.counts, part.counts)))
        left.sketches = tuple(map(without, self.sketches, part.sketches))
        return left


def one_of(record: Measured, score: float) -> One:
    """A request as it is added to tallies."""
    return (*_MEASURED(record), score)


Place = tuple[int, str, str]
"""A span's beginning (seconds since 1970), a dimension, a value of it."""


def tallied(
    records: Sequence[Measured], scores: Sequence[float], grain_s: int, dimensions: Sequence[str] = DIMENSIONS
) -> dict[Place, Tally]:
    """What requests, each with its score, come to: for each span of `grain_s` seconds, and each value of `dimensions`,
    the first of which is `all`."""
    if not records:
        return {}
    told = columns_of(records)
    columns = (*_MEASURED(told), scores)
    buckets = [int(moment // grain_s) * grain_s for moment in told.started_at]
    values = [getattr(told, _FIELDS[each]) for each in dimensions[1:]]
    single: dict[Place, list[int]] = {}
    several: dict[Place, list[Tally]] = {}
    for (bucket, *kind), rows in _alike((buckets, *values)).items():
        # Most of a batch is often of few kinds: many of one kind are added up once and not for each dimension.
        tally = Tally.of_columns(_picked(columns, rows)) if len(rows) >= MANY else None
        for dimension, value in zip(dimensions, ("", *kind), strict=True):
            place = (bucket, dimension, value)
            if tally is None:
                single.setdefault(place, []).extend(rows)
            else:
                several.setdefault(place, []).append(tally)
    found = {place: Tally.of_columns(_picked(columns, rows)) for place, rows in single.items()}
    for place, tallies in several.items():
        found[place] = Tally.sum([found[place], *tallies] if place in found else tallies)
    return found


def _alike(columns: Sequence[Sequence[Any]]) -> dict[tuple[Any, ...], Sequence[int]]:
    """The numbers of the rows of each kind."""
    if all(len(set(column)) == 1 for column in columns):
        return {tuple(column[0] for column in columns): range(len(columns[0]))}
    alike: dict[tuple[Any, ...], list[int]] = {}
    for number, kind in enumerate(zip(*columns, strict=True)):
        if kind in alike:
            alike[kind].append(number)
        else:
            alike[kind] = [number]
    return dict(alike)


def _picked(columns: Sequence[Sequence[Any]], rows: Sequence[int]) -> Sequence[Sequence[Any]]:
    """The columns of some of the rows."""
    if len(rows) == len(columns[0]):
        return columns
    if len(rows) == 1:
        return [(column[rows[0]],) for column in columns]
    return list(map(itemgetter(*rows), columns))
