"""A circuit breaker, of a server or of a replica, as real requests tell: a pure state machine, time handed in.

    closed --failures--> open --pause--> half-open --one let through--> trial --answered--> ramp --time--> closed
                          ^                                               |                  |
                          +---------- failed: twice the pause ------------+---- failures ----+

An attempt belongs to the time in which it began: it gets a *mark* then and brings it back with its outcome. What began
before the breaker opened says nothing about the server as it is now.
"""

import math
from collections import deque
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When it opens, and how it closes again."""

    failures: int = 5
    """Failed attempts within `window_s` that open it, where they are at least half of all; 0: it never opens."""
    window_s: float = 10.0
    pause_s: float = 1.0
    """How long it is open at first; doubles each time in a row."""
    max_pause_s: float = 60.0
    ramp_s: float = 10.0
    """How long it takes after a recovery until all slots are given out again."""


class Phase(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    """Nothing is sent."""
    HALF_OPEN = "half-open"
    """One attempt may be made."""
    TRIAL = "trial"
    """It is being made."""
    RAMP = "ramp"
    """More and more slots are given out."""


class Breaker:
    """One breaker. Remembers at most twice as many outcomes as open it."""

    __slots__ = ("_opened", "_outcomes", "_ramp_from", "_rules", "_until", "mark", "phase")

    def __init__(self, rules: BreakerRules) -> None:
        self._rules = rules
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=max(1, 2 * rules.failures))
        """When, and whether it failed. As it holds twice what opens it, these are at least half of all."""
        self._opened = 0
        """How often in a row."""
        self._until = 0.0
        self._ramp_from = 0.0
        self.mark = 1
        """What attempts get that begin now; never 0, which stands for "before there was a breaker"."""
        self.phase = Phase.CLOSED

    def begun(self) -> int:
        """An attempt begins; returns its mark. In a half-open breaker it is the trial."""
        if self.phase is Phase.HALF_OPEN:
            self.phase = Phase.TRIAL
        return self.mark

    def failed(self, mark: int, now: float) -> None:
        """The attempt of that mark has failed by the server's doing."""
        phase = self.phase
        if mark != self.mark and (mark or phase is not Phase.CLOSED):
            return
        if phase is Phase.TRIAL:
            self._open(now)
        elif phase in (Phase.CLOSED, Phase.RAMP):
            outcomes = self._outcomes
            outcomes.append((now, True))
            since = now - self._rules.window_s
            if 0 < self._rules.failures <= sum(is_failure and at > since for at, is_failure in outcomes):
                self._open(now)

    def succeeded(self, mark: int, now: float) -> None:
        """The attempt of that mark has been answered."""
        if mark != self.mark:
            return
        if self.phase is Phase.TRIAL:
            self.recovered(now)
        else:
            self._outcomes.append((now, False))

    def abandoned(self, mark: int) -> None:
        """The attempt of that mark ended without telling anything, as when its client left: a trial is made anew."""
        if mark == self.mark and self.phase is Phase.TRIAL:
            self.phase = Phase.HALF_OPEN

    def recovered(self, now: float) -> None:
        """The server does its work again: give its slots out by and by, while what it keeps in memory is cold."""
        self.phase = Phase.RAMP
        self._ramp_from = now
        self._outcomes.clear()

    def retry(self) -> None:
        """There is reason to make the trial before the pause is over."""
        if self.phase is Phase.OPEN:
            self.phase = Phase.HALF_OPEN

    def tick(self, now: float) -> None:
        """Time has passed."""
        if self.phase is Phase.OPEN and now >= self._until:
            self.phase = Phase.HALF_OPEN
        elif self.phase is Phase.RAMP and now >= self._ramp_from + self._rules.ramp_s:
            self.phase = Phase.CLOSED
            self._opened = 0

    def allowed(self, size: int, in_use: int, now: float) -> int:
        """How many of the server's `size` slots may be in use now, where `in_use` are."""
        match self.phase:
            case Phase.CLOSED:
                return size
            case Phase.HALF_OPEN:
                return min(size, in_use + 1)
            case Phase.RAMP:
                # By the same factor each second: sizes reach from 1 to thousands.
                passed = min(1.0, max(0.0, (now - self._ramp_from) / (self._rules.ramp_s or 1)))
                return min(size, math.ceil(math.pow(size, passed)))
            case _:
                return 0

    def is_over(self, now: float) -> bool:
        """Whether there is nothing left to remember."""
        if self.phase is not Phase.CLOSED:
            return False
        since = now - self._rules.window_s
        return not any(is_failure and at > since for at, is_failure in self._outcomes)

    def _open(self, now: float) -> None:
        rules = self._rules
        self.phase = Phase.OPEN
        self._until = now + min(rules.max_pause_s, rules.pause_s * 2 ** min(self._opened, 32))
        self._opened += 1
        self.mark += 1
        self._outcomes.clear()
