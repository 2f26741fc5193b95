"""What requests cost, and what may be spent, put together."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Final

from remuda.app.alerting import CHANNEL
from remuda.app.names import one_model_in
from remuda.app.settings import InsightSettings
from remuda.app.settings.insight import zone_of
from remuda.app.way import Way
from remuda.core.ask import Ask, Operation
from remuda.core.clock import Clock
from remuda.core.energy import Tariff, TariffHours
from remuda.core.keys import Caller
from remuda.core.money import Price, nano_of
from remuda.core.tasks import Tasks
from remuda.dialects.observe.budgets import BudgetRoutes
from remuda.dialects.observe.cost_analysis import CostAnalysisRoutes
from remuda.dialects.observe.parts import Part
from remuda.dialects.observe.prices import PriceRoutes
from remuda.fleet.registry import Fleet
from remuda.fleet.replica import Replica
from remuda.gateway.exchange import Exchange
from remuda.insight.analytics import Analytics
from remuda.insight.budgets import Budgets, crossing_of
from remuda.insight.energy import Energy
from remuda.insight.meters import Meter, meter_of_machine
from remuda.insight.prices import Prices
from remuda.store.aside import Aside
from remuda.store.database import Store
from remuda.store.journal import Journal
from remuda.telemetry import catalogue_alerts as catalogue
from remuda.telemetry.fanout import Fanout
from remuda.telemetry.metrics import Metrics

HERE: Final = "local/"
"""How the names of replicas begin whose engines run on this machine."""
GENERATING: Final = frozenset({Operation.CHAT, Operation.COMPLETION, Operation.RESPONSE})


class Costs:
    """Prices and budgets, and who asks for them. Without either, requests go their way as if there were none."""

    def __init__(
        self,
        settings: InsightSettings,
        store: Store,
        clock: Clock,
        fleet: Fleet,
        journal: Journal,
        way: Way,
        fanout: Fanout,
        aside: Aside,
    ) -> None:
        self.prices = Prices(store, clock, settings.score_tokens_per_second)
        self.budgets = Budgets(store, clock, zone_of(settings.time_zone), journal.writer)
        one_model = one_model_in(fleet)
        self.parts: Sequence[Part] = (
            BudgetRoutes(self.budgets, one_model),
            CostAnalysisRoutes(Analytics(aside), self.prices, clock.wall, cloud_price_of(settings)),
            PriceRoutes(self.prices, one_model),
        )
        self._settings = settings
        self._clock = clock
        self._fleet = fleet
        self._way = way
        self._tariff = tariff_of(settings)
        self._energy: Energy | None = None
        journal.on_batch = self.budgets.stops.batched
        self.prices.on_change(self._priced)
        self.budgets.on_change(self._budgeted)
        self.budgets.on_crossed(lambda event: fanout.publish(CHANNEL, crossing_of(event)))

    def attach_to(self, metrics: Metrics) -> None:
        """Let `metrics` ask how often budgets were used up."""
        crossed = self.budgets.crossed
        metrics.attach(catalogue.BUDGETS, lambda: [((str(each),), n) for each, n in crossed.items()])

    def start(self, tasks: Tasks, *, has_engines: bool) -> None:
        """Begin to look how budgets stand, and what this machine draws if it has engines and a meter."""
        tasks.start(self.budgets.run(), "budgets")
        if has_engines and self._settings.measure_energy:
            meter = meter_of_machine(self._clock.monotonic)
            if meter is not None:
                self.measure(meter, tasks)

    def measure(self, meter: Meter, tasks: Tasks) -> None:
        """From now on the requests that this machine's engines work on share what it draws."""
        self._energy = Energy(meter, self._clock)
        self._priced()
        self._way.measure_by(self._begin)
        tasks.start(self._energy.run(), "energy")

    def _priced(self) -> None:
        is_reckoned = bool(self.prices) or self._energy is not None
        of_clients, of_tasks = partial(self._reckon, is_task=False), partial(self._reckon, is_task=True)
        self._way.reckon_by(of_clients if is_reckoned else None, of_tasks if is_reckoned else None)

    def _budgeted(self) -> None:
        self._way.limiter.reserve = self._reserve if self.budgets.stops else None

    async def renew(self) -> int:
        """Take in what the store holds; returns the revision it was read at. Raises StoreError."""
        return min(await self.prices.renew(), await self.budgets.renew())

    def _reckon(self, exchange: Exchange, duration_s: float, *, is_task: bool) -> tuple[int, int, float | None]:
        energy_j = energy_nano = None
        if self._energy is not None and exchange.energy_mark is not None:
            energy_j = self._energy.end(exchange.energy_mark, duration_s)
            if energy_j is not None and self._tariff is not None:
                energy_nano = self._tariff.cost_nano(energy_j, self._clock.wall())
        nano, electricity_nano = self.prices.cost_nano(exchange, duration_s, energy_nano)
        stops = self.budgets.stops
        if stops and nano:
            user_id, _, _ = exchange.told
            stops.charge(exchange.model, exchange.caller_id, user_id, nano, exchange.started_wall, is_task=is_task)
        return nano, electricity_nano, energy_j

    def _begin(self, exchange: Exchange, replica: Replica) -> None:
        if self._energy is not None and exchange.energy_mark is None and replica.id.startswith(HERE):
            exchange.energy_mark = self._energy.begin()

    def _reserve(self, caller: Caller, ask: Ask) -> Callable[[], None] | None:
        if ask.operation is Operation.COUNT_TOKENS:
            return None
        user_id, _, max_tokens = ask.told
        model = self._fleet.look_up(ask.model)
        name = ask.model if model is None else model.chain[0].name if model.chain else model.name
        answers = ask.choices * ask.prompts if ask.operation in GENERATING else 0
        if max_tokens is None or max_tokens < 0:  # which engines take for no bound
            max_tokens = self._settings.reserved_tokens
        nano = self.prices.estimate_nano(name, len(ask.body), answers * max_tokens)
        return self.budgets.stops.reserve(name, caller.key_id, user_id, nano)


def tariff_of(settings: InsightSettings) -> Tariff | None:
    """What energy costs; None where that is not said."""
    if settings.energy_price is None:
        return None
    hours = [TariffHours(each.begins, each.ends, _nano(each.price)) for each in settings.tariff]
    return Tariff(_nano(settings.energy_price), hours, zone_of(settings.time_zone))


def cloud_price_of(settings: InsightSettings) -> Price | None:
    """What tokens cost elsewhere; None where that is not said."""
    if settings.cloud_input_price is None and settings.cloud_output_price is None:
        return None
    return Price(_nano(settings.cloud_input_price or 0.0), _nano(settings.cloud_output_price or 0.0))


def _nano(price: float) -> int:
    return nano_of(Decimal(repr(price)))  # as it was written


def bare_parts() -> Sequence[Part]:
    """The same with nothing behind it: to be listed and described."""
    return (BudgetRoutes(), CostAnalysisRoutes(), PriceRoutes())
