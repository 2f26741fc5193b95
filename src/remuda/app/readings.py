"""What `/metrics` reads from the parts of a running gateway at each scrape."""

from collections.abc import Iterable

from remuda.engines.local import LocalModels, Phase
from remuda.fleet.registry import Fleet
from remuda.gateway.continue_ import Continuations
from remuda.gateway.gateway import Gateway
from remuda.gateway.retry_budget import RetryBudget
from remuda.gateway.waiting import KeepAlive, classes
from remuda.store.journal import Journal
from remuda.telemetry import catalogue
from remuda.telemetry.metrics import Metrics

Values = Iterable[tuple[tuple[str, ...], float]]


def attach_readings(
    metrics: Metrics,
    fleet: Fleet,
    gateway: Gateway,
    keep_alive: KeepAlive,
    budget: RetryBudget,
    continuations: Continuations,
    journal: Journal,
    local: LocalModels,
) -> None:
    """Let `metrics` ask these parts for their present values."""

    def queue_depths() -> Values:
        return [((model.name, word), size) for model in fleet.models() for word, size in classes(model).items()]

    def slots() -> Values:
        return [((replica.id,), replica.slots.size) for replica in fleet.replicas()]

    def slots_in_use() -> Values:
        return [((replica.id,), replica.slots.in_use) for replica in fleet.replicas()]

    def circuits() -> Values:
        return [((replica.id,), float(replica.is_held_back)) for replica in fleet.replicas()]

    def loaded() -> Values:
        return [((), sum(state.phase is Phase.RUNNING for state in local.states()))]

    metrics.attach(catalogue.IN_FLIGHT, lambda: [((), len(gateway.live))])
    metrics.attach(catalogue.QUEUE_DEPTH, queue_depths)
    metrics.attach(catalogue.KEEP_ALIVES, lambda: [((), keep_alive.sent)])
    metrics.attach(catalogue.SLOTS, slots)
    metrics.attach(catalogue.SLOTS_IN_USE, slots_in_use)
    metrics.attach(catalogue.CIRCUIT_OPEN, circuits)
    metrics.attach(catalogue.RETRIES, lambda: [((), budget.taken)])
    metrics.attach(catalogue.RETRIES_REFUSED, lambda: [((), budget.refused)])
    metrics.attach(catalogue.CONTINUATIONS, lambda: [((word,), n) for word, n in continuations.counts.items()])
    metrics.attach(catalogue.MODELS_LOADED, loaded)
    metrics.attach(catalogue.JOURNAL_BUFFERED, lambda: [((), journal.buffered)])
    metrics.attach(catalogue.JOURNAL_SPILLED, lambda: [((), journal.spilled)])
    metrics.attach(catalogue.JOURNAL_DROPPED, lambda: [((), journal.dropped)])
    metrics.attach(catalogue.JOURNAL_TEXTS_DROPPED, lambda: [((), journal.texts_dropped)])


class LoadTimes:
    """How often and how long engines have loaded each model."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}
        self._loads: dict[str, int] = {}
        self._seconds: dict[str, float] = {}

    def changed(self, name: str, phase: Phase, now: float) -> None:
        """A local model has come to `phase` at monotonic time `now`."""
        if phase is Phase.LOADING:
            if name not in self._begun:
                self._begun[name] = now
                self._loads[name] = self._loads.get(name, 0) + 1
        elif (begun := self._begun.pop(name, None)) is not None:
            self._seconds[name] = self._seconds.get(name, 0.0) + now - begun

    def of(self, name: str) -> tuple[int, float]:
        """How often that model was loaded, and how many seconds it took in all."""
        return self._loads.get(name, 0), self._seconds.get(name, 0.0)

    def attach_to(self, metrics: Metrics) -> None:
        """Let `metrics` read these."""
        metrics.attach(catalogue.ENGINE_LOADS, lambda: [((name,), count) for name, count in self._loads.items()])
        metrics.attach(catalogue.ENGINE_LOAD_SECONDS, lambda: [((name,), s) for name, s in self._seconds.items()])
