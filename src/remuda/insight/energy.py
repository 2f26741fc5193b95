"""What this machine's energy goes to: its meter, asked once a second, and the requests that share what it draws."""

import asyncio
import logging
from typing import Final

from remuda.core.clock import Clock
from remuda.core.energy import EnergyShares
from remuda.insight.meters import Meter

log = logging.getLogger(__name__)

EVERY_S: Final = 1.0
"""How often the meter is asked: what it says is taken for what is drawn until it is asked next."""
STALE_S: Final = 10.0
"""After so long without a word from it nobody's energy is known."""


class Energy:
    """All calls on the event loop."""

    def __init__(self, meter: Meter, clock: Clock) -> None:
        self._meter = meter
        self._clock = clock
        self._shares = EnergyShares(clock.monotonic())
        self._told_at = float("-inf")
        self._unknown_until = float("-inf")

    def begin(self) -> float:
        """A request begins on this machine; what this returns is handed in at its end."""
        return self._shares.begin(self._clock.monotonic())

    def end(self, mark: float, duration_s: float) -> float | None:
        """It is over, which began at most `duration_s` ago; the joules that it took. None where the meter did not tell
        for some of the time."""
        now = self._clock.monotonic()
        joules = self._shares.end(mark, now)
        is_known = self._told_at > now - STALE_S and self._unknown_until < now - duration_s
        return joules if is_known else None

    async def run(self) -> None:
        """Ask the meter now and then, until cancelled."""
        while True:
            watts = await asyncio.to_thread(self._meter.watts)
            now = self._clock.monotonic()
            if watts is not None:
                if self._told_at <= now - STALE_S:
                    self._unknown_until = now
                self._told_at = now
                self._shares.draws(watts, now)
            await self._clock.sleep(EVERY_S)
