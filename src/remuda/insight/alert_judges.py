"""Whether a rule's condition holds, of request after request. No I/O: values in, a verdict out."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Final, Protocol

from remuda.core.alert import COMPARISONS, OF_SUBJECTS, RECENT, SHARES, AlertMetric, AlertRule

SLICES: Final = 60
"""Parts of a window that are let go of as wholes: its length is right to a sixtieth, whatever came in it."""


@dataclass(slots=True)
class Verdict:
    """How one rule stands with one subject. Told only at its next reading, however many requests came meanwhile."""

    hit: float | None = None
    """The first value since then for which the condition held."""
    is_met: bool | None = None
    """Whether it held at the end; None: not known yet."""

    def add(self, rule: AlertRule, values: Sequence[float]) -> None:
        """Take further values, oldest first."""
        if not values:
            return
        holds, threshold = COMPARISONS[rule.operator], rule.threshold
        if self.hit is None and any(map(holds, values, repeat(threshold))):
            self.hit = next(value for value in values if holds(value, threshold))
        self.is_met = holds(values[-1], threshold)


class Judge(Protocol):
    """Makes verdicts of the values of requests."""

    def take(self, values: Sequence[float], now: float) -> None:
        """Values of requests within the rule's scope that ended about `now` (monotonic), oldest first."""
        ...

    def verdict(self, now: float) -> Verdict:
        """How it stands; what was told of a hit is not told again."""
        ...


def judge_of(rule: AlertRule, now: float) -> Judge | None:
    """What judges `rule` from `now` on; None where requests have nothing to do with it."""
    if rule.metric in OF_SUBJECTS:
        return None
    if rule.window_s is not None:
        return WindowJudge(rule, rule.window_s, now)
    return ShareJudge(rule) if rule.metric in SHARES else SingleJudge(rule)


class SingleJudge:
    """Each request by itself."""

    def __init__(self, rule: AlertRule) -> None:
        self._rule = rule
        self._verdict = Verdict()

    def take(self, values: Sequence[float], now: float) -> None:
        """As `Judge` says."""
        self._verdict.add(self._rule, values)

    def verdict(self, now: float) -> Verdict:
        """As `Judge` says."""
        told, self._verdict = self._verdict, Verdict(is_met=self._verdict.is_met)
        return told


class ShareJudge(SingleJudge):
    """After each request the mean of the last ten, or of as many as there have been."""

    def __init__(self, rule: AlertRule) -> None:
        super().__init__(rule)
        self._recent: deque[float] = deque(maxlen=RECENT)

    def take(self, values: Sequence[float], now: float) -> None:
        """As `Judge` says."""
        if any(values) or any(self._recent):
            super().take([self._mean_with(value) for value in values], now)
        elif values:  # as nearly always: no request has failed
            self._recent.extend(values[-RECENT:])
            super().take([0.0], now)

    def _mean_with(self, value: float) -> float:
        self._recent.append(value)
        return sum(self._recent) / len(self._recent)


class WindowJudge:
    """All requests of the last so many seconds: their mean, or what they cost together."""

    def __init__(self, rule: AlertRule, window_s: float, now: float) -> None:
        self._rule = rule
        self._slice_s = window_s / SLICES
        self._since = now
        self._window_s = window_s
        self._slices: deque[_Slice] = deque()

    def take(self, values: Sequence[float], now: float) -> None:
        """As `Judge` says."""
        if not values:
            return
        number = int(now / self._slice_s)
        if not self._slices or self._slices[-1].number != number:
            self._slices.append(_Slice(number))
        self._slices[-1].count += len(values)
        self._slices[-1].total += sum(values)

    def verdict(self, now: float) -> Verdict:
        """As `Judge` says. Of a window without requests nothing holds, once it has been looked at for so long."""
        first = int(now / self._slice_s) - SLICES
        while self._slices and self._slices[0].number <= first:
            self._slices.popleft()
        count = sum(part.count for part in self._slices)
        if not count:
            return Verdict(is_met=False if now - self._since >= self._window_s else None)
        total = sum(part.total for part in self._slices)
        verdict = Verdict()
        verdict.add(self._rule, [total if self._rule.metric is AlertMetric.COST else total / count])
        return verdict


@dataclass(slots=True)
class _Slice:
    number: int
    count: int = 0
    total: float = 0.0
