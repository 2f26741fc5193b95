"""A machine's energy, shared among the requests that it works on; and what it costs by the hour of the day.

The machine keeps one number, the joules that each request under way has had so far: it grows by its power over the
number of requests, second by second. A request's energy is what the number has grown by between its beginning and its
end, however many came and went meanwhile. So each gets its share of what the machine would draw without any, and the
requests' energies add up to all that was drawn while there were some; what an idle machine draws is nobody's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, tzinfo
from typing import Final

from remuda.core.money import rounded

JOULES_PER_WH: Final = 3600
_MJ_PER_KWH: Final = 3_600_000_000


class EnergyShares:
    """One machine. Times in seconds of any one clock that does not jump."""

    __slots__ = ("_at", "_each_j", "_watts", "active", "idle_j")

    def __init__(self, now: float) -> None:
        self.active = 0
        """Requests under way."""
        self.idle_j = 0.0
        """What was drawn while there were none."""
        self._at = now
        self._each_j = 0.0
        self._watts = 0.0

    def begin(self, now: float) -> float:
        """A request begins; what this returns is handed in at its end."""
        self._go_on(now)
        self.active += 1
        return self._each_j

    def end(self, mark: float, now: float) -> float:
        """It is over; the joules that it took."""
        self._go_on(now)
        self.active -= 1
        return self._each_j - mark

    def draws(self, watts: float, now: float) -> None:
        """From now on the machine draws so much."""
        self._go_on(now)
        self._watts = watts

    def _go_on(self, now: float) -> None:
        drawn_j = self._watts * max(0.0, now - self._at)
        self._at = now
        if self.active:
            self._each_j += drawn_j / self.active
        else:
            self.idle_j += drawn_j


@dataclass(frozen=True, slots=True)
class TariffHours:
    """A price for some hours of each day; those that end before they begin go over midnight."""

    begins: time
    ends: time
    kwh_nano: int
    """10^-9 of the currency's unit for each kilowatt-hour."""

    def hold_at(self, moment: time) -> bool:
        """Whether `moment` is one of them."""
        if self.begins <= self.ends:
            return self.begins <= moment < self.ends
        return moment >= self.begins or moment < self.ends


@dataclass(frozen=True, slots=True)
class Tariff:
    """What energy costs."""

    kwh_nano: int
    """At all hours that have no price of their own."""
    hours: Sequence[TariffHours]
    """Of those that hold at a time, the first counts."""
    zone: tzinfo

    def cost_nano(self, joules: float, moment: float) -> int:
        """What so much energy costs at `moment` (wall clock); it counts to the millijoule."""
        kwh_nano = self.kwh_nano
        if self.hours:
            on_the_wall = datetime.fromtimestamp(moment, self.zone).time()
            kwh_nano = next((each.kwh_nano for each in self.hours if each.hold_at(on_the_wall)), kwh_nano)
        return rounded(round(max(joules, 0.0) * 1000) * kwh_nano, _MJ_PER_KWH)
