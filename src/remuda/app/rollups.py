"""Rollups, put together: what is added up with the journal's records, who keeps it, and who tells of it."""

from collections.abc import Mapping, Sequence
from typing import Final

from remuda.app.settings import InsightSettings
from remuda.core.clock import Clock
from remuda.core.spans import DAY, FIVE_MINUTES, HOUR, MINUTE
from remuda.dialects.observe.analytics import AnalyticsRoutes
from remuda.dialects.observe.parts import Part
from remuda.insight.analytics import Analytics
from remuda.insight.rolling import Roller
from remuda.store.aside import Aside
from remuda.store.database import Store
from remuda.store.ledger import Hook
from remuda.store.rollups import note_in_rollups

HOOK: Final[Hook] = note_in_rollups


class Rollups:
    """Of one gateway."""

    def __init__(self, store: Store, insight: InsightSettings, clock: Clock, aside: Aside) -> None:
        self.roller = Roller(store, clock, kept_s(insight))
        self.parts: Sequence[Part] = (AnalyticsRoutes(Analytics(aside), clock.wall),)


def bare_parts() -> Sequence[Part]:
    """The routes with nothing behind them: to be listed and described."""
    return (AnalyticsRoutes(),)


def kept_s(insight: InsightSettings) -> Mapping[int, int]:
    """For how long each grain is kept, in seconds; 0 for ever."""
    return {
        MINUTE: insight.keep_minutes_days * DAY,
        FIVE_MINUTES: insight.keep_five_minutes_days * DAY,
        HOUR: insight.keep_hours_days * DAY,
        DAY: insight.keep_days_days * DAY,
    }
