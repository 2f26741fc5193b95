"""What the journal tells, put together: what is kept with its records, and who answers questions."""

from collections.abc import Sequence
from functools import partial

from remuda.app import costs, rollups
from remuda.app.costs import Costs
from remuda.app.rollups import Rollups
from remuda.app.settings import Settings
from remuda.app.settings.insight import zone_of
from remuda.core.clock import Clock
from remuda.core.score import ScoreTargets, performance_score
from remuda.dialects.observe.alerts import AlertRoutes
from remuda.dialects.observe.comparisons import ComparisonRoutes
from remuda.dialects.observe.logs import LogRoutes
from remuda.dialects.observe.parts import Part
from remuda.dialects.observe.suggestions import SuggestionRoutes
from remuda.insight.log import Log
from remuda.insight.suggestions import Suggestions
from remuda.jobs.comparisons import Comparisons
from remuda.store.budget_usage import Accrual
from remuda.store.comparison_runs import note_measures
from remuda.store.database import Store
from remuda.store.ledger import Ledger


def ledger_of(settings: Settings, clock: Clock) -> Ledger:
    """What whoever adds to the journal keeps together with it."""
    insight = settings.insight
    targets = ScoreTargets(insight.score_latency_ms, insight.score_tokens_per_second)
    accrual = Accrual(zone_of(insight.time_zone), clock.wall)
    return Ledger(score=partial(performance_score, targets=targets), hooks=(accrual, note_measures, rollups.HOOK))


class Insights:
    """What answers questions about the past."""

    def __init__(
        self,
        store: Store,
        alerts: AlertRoutes,
        costs: Costs,
        rollups: Rollups,
        *,
        comparisons: Comparisons,
        suggestions: Suggestions,
    ) -> None:
        self.parts: Sequence[Part] = (
            alerts,
            *costs.parts,
            ComparisonRoutes(comparisons),
            LogRoutes(Log(store)),
            *rollups.parts,
            SuggestionRoutes(suggestions),
        )


def bare_parts() -> Sequence[Part]:
    """The same with nothing behind it: to be listed and described."""
    return (
        AlertRoutes(),
        *costs.bare_parts(),
        ComparisonRoutes(),
        LogRoutes(),
        *rollups.bare_parts(),
        SuggestionRoutes(),
    )
