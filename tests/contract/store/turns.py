"""A clock for code that works in turns: the test says when each turn happens, and knows when it is over."""

import asyncio

from remuda.core.clock import SystemClock


class TurnClock(SystemClock):
    """The system's clock, but whoever sleeps on it waits for `turn`."""

    def __init__(self) -> None:
        self._asleep = asyncio.Event()
        self._woken = asyncio.Event()
        self.slept_s: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Sleep until the next `turn`, however long `seconds` are."""
        self.slept_s.append(seconds)
        self._woken.clear()
        self._asleep.set()
        await self._woken.wait()

    async def turn(self) -> None:
        """Wake the sleeper, and return when it sleeps again."""
        await self._asleep.wait()
        self._asleep.clear()
        self._woken.set()
        await self._asleep.wait()
