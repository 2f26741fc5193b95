"""How many requests may be sent once more: a share of all, so that servers failing under load do not get it thrice."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from remuda.core.record import RequestRecord

WINDOW_S: Final = 10
FLOOR: Final = 10
"""Retries within the window that are always allowed: a share of few requests is none."""

_ATTEMPTS: Final = RequestRecord._fields.index("attempts")


class RetryBudget:
    """One gateway's budget. Counts requests as they end, in batches, and those under way when asked."""

    def __init__(self, percent: int, monotonic: Callable[[], float]) -> None:
        self._percent = percent
        self._monotonic = monotonic
        self._seconds: deque[list[int]] = deque(maxlen=WINDOW_S)
        """Of each second in which something happened: which, requests ended, retries."""
        self.taken = 0
        self.refused = 0

    def note(self, records: Sequence[RequestRecord]) -> None:
        """These requests have ended; those that were never sent anywhere do not count. Suits the recorder's sinks."""
        self._now()[1] += len(records) - [record[_ATTEMPTS] for record in records].count(0)

    def take(self, live: int) -> bool:
        """Whether one more retry is allowed, with `live` requests under way; it is counted if so."""
        now = self._now()
        since = now[0] - WINDOW_S
        recent = [second for second in self._seconds if second[0] > since]
        requests = live + sum(second[1] for second in recent)
        if sum(second[2] for second in recent) >= FLOOR + requests * self._percent // 100:
            self.refused += 1
            return False
        now[2] += 1
        self.taken += 1
        return True

    def _now(self) -> list[int]:
        second = int(self._monotonic())
        seconds = self._seconds
        if not seconds or seconds[-1][0] != second:
            seconds.append([second, 0, 0])
        return seconds[-1]
