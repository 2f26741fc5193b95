"""Time, handed in: nothing but this module reads the system's clocks."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What code that needs time takes. `remuda.testing.clock.FakeClock` is its twin for tests."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never jumps."""
        ...

    def wall(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z; may jump."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...


class SystemClock:
    """The machine's clock."""

    # Plain references: on the request path each read is one C call.
    monotonic = staticmethod(time.perf_counter)
    wall = staticmethod(time.time)
    sleep = staticmethod(asyncio.sleep)
