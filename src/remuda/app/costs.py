"""What requests cost, and what may be spent, put together."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from remuda.app.settings import InsightSettings
from remuda.app.settings.insight import zone_of
from remuda.app.way import Way
from remuda.core.ask import Ask, Operation
from remuda.core.clock import Clock
from remuda.core.keys import Caller
from remuda.core.tasks import Tasks
from remuda.dialects.observe.budgets import BudgetRoutes
from remuda.dialects.observe.parts import Part
from remuda.dialects.observe.prices import PriceRoutes
from remuda.fleet.registry import Fleet
from remuda.gateway.exchange import Exchange
from remuda.insight.budgets import Budgets
from remuda.insight.prices import Prices
from remuda.store.database import Store
from remuda.store.journal import Journal

GENERATING: Final = frozenset({Operation.CHAT, Operation.COMPLETION, Operation.RESPONSE})


class Costs:
    """Prices and budgets, and who asks for them."""

    def __init__(self, settings: InsightSettings, store: Store, clock: Clock, fleet: Fleet, journal: Journal) -> None:
        self.prices = Prices(store, clock)
        self.budgets = Budgets(store, clock, zone_of(settings.time_zone), journal.writer)
        self.parts: Sequence[Part] = (BudgetRoutes(self.budgets), PriceRoutes(self.prices))
        self._reserved_tokens = settings.reserved_tokens
        self._fleet = fleet
        journal.on_batch = self.budgets.stops.batched

    def attach_to(self, way: Way) -> None:
        """From now on what goes this way costs what it costs, and stops where a budget does."""
        of_clients, of_tasks = partial(self._reckon, is_task=False), partial(self._reckon, is_task=True)

        def priced() -> None:
            is_priced = bool(self.prices)
            way.reckon_by(of_clients if is_priced else None, of_tasks if is_priced else None)

        def budgeted() -> None:
            way.limiter.reserve = self._reserve if self.budgets.stops else None

        self.prices.on_change(priced)
        self.budgets.on_change(budgeted)

    def start(self, tasks: Tasks) -> None:
        """Begin to look how budgets stand."""
        tasks.start(self.budgets.run(), "budgets")

    async def renew(self) -> int:
        """Take in what the store holds; returns the revision it was read at. Raises StoreError."""
        return min(await self.prices.renew(), await self.budgets.renew())

    def _reckon(self, exchange: Exchange, duration_s: float, *, is_task: bool) -> tuple[int, float | None]:
        nano = self.prices.cost_nano(exchange, duration_s)
        stops = self.budgets.stops
        if stops and nano:
            user_id, _, _ = exchange.told
            stops.charge(exchange.model, exchange.caller_id, user_id, nano, exchange.started_wall, is_task=is_task)
        return nano, None

    def _reserve(self, caller: Caller, ask: Ask) -> Callable[[], None] | None:
        if ask.operation is Operation.COUNT_TOKENS:
            return None
        user_id, _, max_tokens = ask.told
        model = self._fleet.look_up(ask.model)
        name = ask.model if model is None else model.chain[0].name if model.chain else model.name
        answers = ask.choices * ask.prompts if ask.operation in GENERATING else 0
        if max_tokens is None or max_tokens < 0:  # which engines take for no bound
            max_tokens = self._reserved_tokens
        nano = self.prices.estimate_nano(name, len(ask.body), answers * max_tokens)
        return self.budgets.stops.reserve(name, caller.key_id, user_id, nano)


def bare_parts() -> Sequence[Part]:
    """The same with nothing behind it: to be listed and described."""
    return (BudgetRoutes(), PriceRoutes())
