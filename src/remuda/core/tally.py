"""What many requests come to: counts, sums, extremes, and sketches of how long they took.

All numbers are whole (times in microseconds, rates in thousandths of a token per second, scores in ten-thousandths,
energy in millijoules, money in 10^-9 of the unit), so that sums do not depend on who added what first: the sum over all
models is the sum over all keys, to the last digit.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import add, attrgetter, sub
from typing import Any, Final, NamedTuple, Protocol, Self

from remuda.core.sketch import Sketch, bin_of, merge, without

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
    """What is measured of one request; a `RequestRecord` has it."""

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


One = tuple[Sequence[int], Sequence[int], Sequence[int], Sequence[int | None]]
"""One request as it is added to tallies: its counts, what it has for lows and for highs, and its bins."""


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

    __hash__ = None  # type: ignore[assignment]

    @property
    def told(self) -> Counts:
        """The counts by their names."""
        return Counts._make(self.counts)

    @classmethod
    def of(cls, ones: Sequence[One]) -> "Tally":
        """What requests come to, of which there is one at least."""
        if len(ones) == 1:
            counts, lows, highs, bins = ones[0]
            alone = cls(counts, lows, highs)
            alone.sketches = tuple({} if bin_ is None else {bin_: 1} for bin_ in bins)
            return alone
        all_counts, all_lows, all_highs, all_bins = zip(*ones, strict=True)
        tally = cls(
            list(map(sum, zip(*all_counts, strict=True))),
            list(map(min, zip(*all_lows, strict=True))),
            list(map(max, zip(*all_highs, strict=True))),
        )
        for sketch, column in zip(tally.sketches, zip(*all_bins, strict=True), strict=True):
            sketch.update(Counter(column))
            sketch.pop(None, None)  # type: ignore[call-overload]
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
    duration_s, ttft_s, completion_tokens, energy_j = (
        record.duration_s,
        record.ttft_s,
        record.completion_tokens,
        record.energy_j,
    )
    latency_us, queue_wait_us = round(duration_s * 1e6), round(record.queue_wait_s * 1e6)
    score_e4 = round(score * 1e4)
    has_ttft, is_rated = ttft_s is not None, completion_tokens > 0 and duration_s > 0
    ttft_us = round(ttft_s * 1e6) if ttft_s is not None else 0
    rate_milli = round(completion_tokens / duration_s * 1e3) if is_rated else 0
    return (
        (
            1,
            1 if record.fault or record.status >= 400 else 0,
            1 if record.is_streamed else 0,
            1 if record.is_truncated else 0,
            record.prompt_tokens,
            completion_tokens,
            record.cached_tokens,
            latency_us,
            1 if has_ttft else 0,
            ttft_us,
            1 if is_rated else 0,
            rate_milli,
            queue_wait_us,
            score_e4,
            record.cost_nano,
            record.electricity_nano,
            0 if energy_j is None else 1,
            0 if energy_j is None else round(energy_j * 1e3),
        ),
        (
            latency_us,
            ttft_us if has_ttft else UNSEEN_LOW,
            rate_milli if is_rated else UNSEEN_LOW,
            queue_wait_us,
            score_e4,
        ),
        (
            latency_us,
            ttft_us if has_ttft else UNSEEN_HIGH,
            rate_milli if is_rated else UNSEEN_HIGH,
            queue_wait_us,
            score_e4,
        ),
        (
            bin_of(latency_us),
            bin_of(ttft_us) if has_ttft else None,
            bin_of(rate_milli) if is_rated else None,
        ),
    )


Place = tuple[int, str, str]
"""A span's beginning (seconds since 1970), a dimension, a value of it."""


def tallied(
    measured: Iterable[tuple[Measured, float]], grain_s: int, dimensions: Sequence[str] = DIMENSIONS
) -> dict[Place, Tally]:
    """What requests, each with its score, come to: for each span of `grain_s` seconds, and each value of `dimensions`,
    the first of which is `all`."""
    told = attrgetter("started_at", *(_FIELDS[each] for each in dimensions[1:] or ("model",)))
    alike: dict[tuple[Any, ...], list[One]] = {}
    for record, score in measured:
        moment, *values = told(record)
        who = (int(moment // grain_s) * grain_s, *values)
        one = one_of(record, score)
        if who in alike:
            alike[who].append(one)
        else:
            alike[who] = [one]
    single: dict[Place, list[One]] = {}
    several: dict[Place, list[Tally]] = {}
    for (bucket, *values), ones in alike.items():
        # Most of a batch is often of few kinds: many of one kind are added up once and not for each dimension.
        tally = Tally.of(ones) if len(ones) >= MANY else None
        for dimension, value in zip(dimensions, ("", *values), strict=False):
            place = (bucket, dimension, value)
            if tally is None:
                single.setdefault(place, []).extend(ones)
            else:
                several.setdefault(place, []).append(tally)
    found = {place: Tally.of(ones) for place, ones in single.items()}
    for place, tallies in several.items():
        found[place] = Tally.sum([found[place], *tallies] if place in found else tallies)
    return found
