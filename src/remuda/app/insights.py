"""What the journal tells, put together: what is kept with its records, and who answers questions."""

from collections.abc import Sequence
from functools import partial

from remuda.app.settings import Settings
from remuda.core.score import ScoreTargets, performance_score
from remuda.dialects.observe.logs import LogRoutes
from remuda.dialects.observe.parts import Part
from remuda.insight.history import History, traffic_of
from remuda.insight.log import Log
from remuda.store.database import Store
from remuda.store.ledger import Ledger


def ledger_of(settings: Settings) -> Ledger:
    """What whoever adds to the journal keeps together with it."""
    insight = settings.insight
    targets = ScoreTargets(insight.score_latency_ms, insight.score_tokens_per_second)
    return Ledger(score=partial(performance_score, targets=targets))


class Insights:
    """What answers questions about the past."""

    def __init__(self, store: Store) -> None:
        self.parts: Sequence[Part] = (LogRoutes(Log(store)),)
        self.history = History(store, partial(traffic_of, store))


def bare_parts() -> Sequence[Part]:
    """The same with nothing behind it: to be listed and described."""
    return (LogRoutes(),)
