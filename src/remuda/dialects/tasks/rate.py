"""The document's rate limit: so many requests a minute for each key, a few of them at once.

A token bucket: it holds `burst` tokens, one is taken by each request, and they come back at an even rate. Kept by the
id of a verified key, so that nobody can have a bucket of his own by inventing keys.
"""

import math
from typing import Final, NamedTuple

from remuda.core.clock import Clock

MAX_BUCKETS: Final = 10_000


class Granted(NamedTuple):
    """Whether a request may go on, and what its answer says of the limit."""

    is_granted: bool
    limit: int
    """Requests in a minute."""
    remaining: int
    """Requests that may come at once now."""
    reset_at: float
    """When all of them may again, wall clock."""
    retry_after_s: int
    """Whole seconds until the next may come."""

    def headers(self) -> dict[str, str]:
        """What an answer says of it."""
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-reset": str(math.ceil(self.reset_at)),
        }


class RateLimit:
    """The buckets of all keys, bounded: of those that are full again nothing needs to be known."""

    def __init__(self, per_minute: int, burst: int, clock: Clock) -> None:
        self._per_minute = per_minute
        self._burst = burst
        self._rate = per_minute / 60.0
        self._clock = clock
        self._full_at: dict[str, float] = {}
        """When each bucket will be full again."""

    def take(self, key_id: str) -> Granted:
        """One token of the key's, if there is one."""
        now = self._clock.monotonic()
        missing = max(0.0, (self._full_at.get(key_id, now) - now) * self._rate)
        is_granted = missing <= self._burst - 1
        if is_granted:
            missing += 1.0
            self._full_at.pop(key_id, None)
            self._full_at[key_id] = now + missing / self._rate
            self._let_go(now)
        return Granted(
            is_granted,
            self._per_minute,
            max(0, math.floor(self._burst - missing)),
            self._clock.wall() + missing / self._rate,
            0 if is_granted else max(1, math.ceil((missing - self._burst + 1.0) / self._rate)),
        )

    def _let_go(self, now: float) -> None:
        if len(self._full_at) > MAX_BUCKETS:
            full = [key_id for key_id, at in self._full_at.items() if at <= now]
            for key_id in full or [next(iter(self._full_at))]:
                del self._full_at[key_id]
