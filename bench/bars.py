"""The bars: figures that Remuda promises to keep, and whether a run shows them kept.

Ratios are medians over the rounds of one run, each round's figure beside that of the other target in the same round.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

Samples = dict[str, dict[str, list[float]]]
"""Target, then figure: what each round showed."""

SUBJECT = "remuda"


class Verdict(StrEnum):
    """How a bar stands."""

    KEPT = "kept"
    MISSED = "missed"
    FAILED = "failed"
    """Missed by so much that it is called a failure."""
    UNKNOWN = "not measured"
    UNFIT = "machine unfit"
    """With nothing between mock and load, too, this much cannot be had here: the machine is too slow or too busy."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A bar beside what was measured."""

    bar: str
    limit: str
    figure: str
    beside: str
    """The other target's own figure, where the bar is a comparison."""
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Ratio:
    """`figure` of Remuda is at most `limit` times that of `other`, or below it where that is what is promised."""

    bar: str
    figure: str
    other: str
    limit: float
    strictly: bool = False
    failure: float = math.inf
    """From here on it is called a failure."""
    unit: str = "µs"

    def judge(self, samples: Samples) -> Judged:
        limit = f"< {self.other}" if self.strictly else f"≤ {self.limit:g} times {self.other}"
        pairs = list(zip(_of(samples, SUBJECT, self.figure), _of(samples, self.other, self.figure), strict=False))
        ratios = [own / other for own, other in pairs if other]
        if not ratios:
            return Judged(self.bar, limit, "", "", Verdict.UNKNOWN)
        ratio = statistics.median(ratios)
        own, other = (statistics.median(values) for values in zip(*pairs, strict=True))
        kept = ratio < self.limit if self.strictly else ratio <= self.limit
        spread = f" ({min(ratios):.2f}-{max(ratios):.2f})" if len(ratios) > 1 else ""
        verdict = Verdict.FAILED if ratio > self.failure else _verdict(kept)
        return Judged(
            self.bar, limit, f"{ratio:.2f} times{spread}: {own:.1f} {self.unit}", f"{other:.1f} {self.unit}", verdict
        )


@dataclass(frozen=True, slots=True)
class Bound:
    """`figure` of Remuda is at most (or, `at_least`, no less than) `limit`."""

    bar: str
    figure: str
    limit: float
    unit: str
    at_least: bool = False
    of: Callable[[list[float]], float] = statistics.median
    """What is judged of all rounds."""
    beside: str = "nginx"
    control: "Bound | None" = None
    """What `direct` must keep, or nothing is proven."""

    def judge(self, samples: Samples) -> Judged:
        limit = f"{'≥' if self.at_least else '≤'} {self.limit:g} {self.unit}".strip()
        values = _of(samples, SUBJECT, self.figure)
        if not values:
            return Judged(self.bar, limit, "", "", Verdict.UNKNOWN)
        value = self.of(values)
        others = _of(samples, self.beside, self.figure)
        other = _said(self.of(others), self.unit) if others else ""
        verdict = _verdict(self._keeps(value))
        if verdict is Verdict.MISSED and self.control is not None and not self.control.is_kept_by(samples, "direct"):
            verdict = Verdict.UNFIT
        return Judged(self.bar, limit, _said(value, self.unit), other, verdict)

    def is_kept_by(self, samples: Samples, target: str) -> bool:
        """Whether nothing measured of a target speaks against it."""
        values = _of(samples, target, self.figure)
        return not values or self._keeps(self.of(values))

    def _keeps(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


ON_TIME = Bound("streams held: longer by", "held_longer_percent", 5, "%")
"""A mock that cannot send 150,000 chunks a second beside the load that reads them makes every stream longer. Then this
is not shown either way, and how long held ones are is told beside those with nothing in between, too."""

BARS: Sequence[Ratio | Bound] = (
    Ratio("CPU per request, 32 connections", "request_us_32", "nginx", 4.3),
    Ratio("CPU per request, 32 connections", "request_us_32", "vllm-router", 1.0, strictly=True),
    Ratio("CPU per chunk, 200 streams", "chunk_us_200", "nginx", 1.6, failure=1.8),
    Ratio("CPU per chunk, 200 streams", "chunk_us_200", "sglang-router", 1.0),
    Ratio("CPU per chunk, 1,000 streams", "chunk_us_1000", "nginx", 1.6, failure=1.8),
    Ratio("CPU per chunk, 1,000 streams", "chunk_us_1000", "sglang-router", 1.0),
    Bound("chunks lost, 200 streams", "lost_200", 0, "", of=max),
    Bound("chunks lost, 1,000 streams", "lost_1000", 0, "", of=max),
    Bound("3,000 streams of 50/s held: open at once", "held_streams", 2950, "", at_least=True, control=ON_TIME),
    Bound("streams held: chunks lost, streams refused", "held_lost", 0, ""),
    Bound("streams held: one-way p99", "held_oneway_p99_ms", 100, "ms", control=ON_TIME),
    replace(ON_TIME, control=ON_TIME),
    Ratio("streams held: length", "held_ms", "direct", 1.05, unit="ms"),
    Bound("memory of an open stream", "stream_kib", 8, "KiB"),
    Bound("8 slow readers: memory", "slow_growth_mib", 8, "MiB"),
    Bound("1,000 leave: streams open before", "abort_opened", 1000, "", at_least=True),
    Bound("1,000 leave: upstream streams after 2 s", "abort_left_after_2s", 0, ""),
    Bound("remuda --help", "help_s", 0.5, "s"),
    Bound("ready with the tiny model", "ready_tiny_s", 3, "s"),
    Bound("make run on a fresh clone", "clone_s", 180, "s"),
)


def judge(samples: Samples) -> list[Judged]:
    """Every bar beside this run's figures."""
    return [bar.judge(samples) for bar in BARS]


def _of(samples: Samples, target: str, figure: str) -> list[float]:
    return samples.get(target, {}).get(figure, [])


def _said(value: float, unit: str) -> str:
    return f"{value + 0.0:.2f} {unit}" if unit else f"{value:g}"


def _verdict(kept: bool) -> Verdict:
    return Verdict.KEPT if kept else Verdict.MISSED
