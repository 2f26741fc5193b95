"""What the journal tells, put together: what is kept with its records, and who answers questions."""

from collections.abc import Sequence
from functools import partial

from remuda.app.settings import Settings
from remuda.core.score import ScoreTargets, performance_score
from remuda.dialects.observe.comparisons import ComparisonRoutes
from remuda.dialects.observe.logs import LogRoutes
from remuda.dialects.observe.parts import Part
from remuda.dialects.observe.suggestions import SuggestionRoutes
from remuda.insight.log import Log
from remuda.insight.suggestions import Suggestions
from remuda.jobs.comparisons import Comparisons
from remuda.store.comparison_runs import note_measures
from remuda.store.database import Store
from remuda.store.ledger import Ledger


def ledger_of(settings: Settings) -> Ledger:
    """What whoever adds to the journal keeps together with it."""
    insight = settings.insight
    targets = ScoreTargets(insight.score_latency_ms, insight.score_tokens_per_second)
    return Ledger(score=partial(performance_score, targets=targets), hooks=(note_measures,))


class Insights:
    """What answers questions about the past."""

    def __init__(self, store: Store, *, comparisons: Comparisons, suggestions: Suggestions) -> None:
        self.parts: Sequence[Part] = (
            ComparisonRoutes(comparisons),
            LogRoutes(Log(store)),
            SuggestionRoutes(suggestions),
        )


def bare_parts() -> Sequence[Part]:
    """The same with nothing behind it: to be listed and described."""
    return (ComparisonRoutes(), LogRoutes(), SuggestionRoutes())
