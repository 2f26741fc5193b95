"""A clock that stands still until a test moves it."""

import asyncio
import heapq
from itertools import count

from remuda.testing.gate import Signal


class FakeClock:
    """Satisfies `remuda.core.clock.Clock`. Time passes only in `advance`; a sleeper really waits for nothing else."""

    TURNS = 20
    """Turns of the event loop that what was woken gets before time moves on: enough for a chain of so many awaits."""

    def __init__(self, *, wall: float = 1_700_000_000.0, monotonic: float = 1_000.0) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()
        self._signal = Signal()

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return self._monotonic

    def wall(self) -> float:
        """Seconds since 1970."""
        return self._wall

    @property
    def sleepers(self) -> int:
        """How many sleep now."""
        return sum(not waiter.done() for _, _, waiter in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Returns when `advance` has moved time by `seconds`; without any, after one turn of the event loop."""
        if seconds <= 0:
            return await asyncio.sleep(0)
        waiter = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), waiter))
        self._signal.changed()
        await waiter

    async def asleep(self, n: int = 1, *, within_s: float = 10.0) -> None:
        """Returns once `n` sleep: what a test awaits before it advances."""
        await self._signal.until(lambda: self.sleepers >= n, lambda: f"{n} sleepers ({self.sleepers} there)", within_s)

    async def advance(self, seconds: float) -> None:
        """Moves time on, waking each sleeper at its own moment in order of their deadlines (those of one moment in
        the order in which they fell asleep), and letting it run, and sleep again, before the next is woken."""
        end = self._monotonic + seconds
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, waiter = heapq.heappop(self._sleepers)
            if waiter.done():  # cancelled in its sleep
                continue
            self._move_to(due)
            waiter.set_result(None)
            await self._settle()
        self._move_to(end)

    def step_wall(self, seconds: float) -> None:
        """Sets the wall clock forward or back by itself, as an administrator or NTP does."""
        self._wall += seconds

    def _move_to(self, moment: float) -> None:
        passed = max(0.0, moment - self._monotonic)
        self._monotonic += passed
        self._wall += passed

    async def _settle(self) -> None:
        for _ in range(self.TURNS):
            await asyncio.sleep(0)
