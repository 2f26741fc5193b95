"""What the journal tells, put together: what is kept with its records, and who answers questions."""

from collections.abc import Sequence
from functools import partial

from remuda.app import costs, rollups
from remuda.app.costs import Costs
from remuda.app.names import canonical_in
from remuda.app.rollups import Rollups
from remuda.app.settings import Settings
from remuda.app.settings.insight import zone_of
from remuda.core.clock import Clock
from remuda.core.score import ScoreTargets, performance_score
from remuda.dialects.observe.alerts import AlertRoutes
from remuda.dialects.observe.comparisons import ComparisonRoutes
from remuda.dialects.observe.exports import ExportRoutes
from remuda.dialects.observe.logs import LogRoutes
from remuda.dialects.observe.parts import Part
from remuda.dialects.observe.suggestions import SuggestionRoutes
from remuda.fleet.registry import Fleet
from remuda.insight.export import Export
from remuda.insight.log import Log
from remuda.insight.suggestions import Suggestions
from remuda.jobs.comparisons import Comparisons
from remuda.store.budget_usage import Accrual
from remuda.store.comparison_runs import note_measures
from remuda.store.database import Store
from remuda.store.ledger import Ledger, Redact


def ledger_of(settings: Settings, clock: Clock) -> Ledger:
    """What whoever adds to the journal keeps together with it."""
    insight = settings.insight
    targets = ScoreTargets(insight.score_latency_ms, insight.score_tokens_per_second)
    patterns = settings.journal.redact
    redact: Redact | None = None
    if patterns:
        from remuda.insight.redaction import Redaction  # with the library it needs, which others do without

        redact = Redaction(patterns, clock.monotonic)
    accrual = Accrual(zone_of(insight.time_zone), clock.wall)
    hooks = (accrual, note_measures, rollups.HOOK)
    return Ledger(score=partial(performance_score, targets=targets), hooks=hooks, redact=redact)


class Insights:
    """What answers questions about the past."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        fleet: Fleet,
        alerts: AlertRoutes,
        costs: Costs,
        rollups: Rollups,
        comparisons: Comparisons,
        suggestions: Suggestions,
    ) -> None:
        canonical = canonical_in(fleet)
        self.parts: Sequence[Part] = (
            alerts,
            *costs.parts,
            ComparisonRoutes(comparisons),
            ExportRoutes(Export(store), clock.wall, canonical),
            LogRoutes(Log(store, clock.monotonic), clock.wall, canonical),
            *rollups.parts,
            SuggestionRoutes(suggestions),
        )


def bare_parts() -> Sequence[Part]:
    """The same with nothing behind it: to be listed and described."""
    parts = (AlertRoutes(), ComparisonRoutes(), ExportRoutes(), LogRoutes(), SuggestionRoutes())
    return (*costs.bare_parts(), *rollups.bare_parts(), *parts)
