"""Budgets: kept in the store, known in memory as far as they stop requests, and told of when they are used up."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import tzinfo
from typing import Final

import msgspec

from remuda.core.budget import PERCENTS, Budget, BudgetEvent, BudgetTerms, Scope
from remuda.core.clock import Clock
from remuda.core.model_names import plain_model
from remuda.core.moments import iso_time
from remuda.core.money import amount_of
from remuda.insight.hard_stops import HardStops
from remuda.store.budgets import (
    add_budget,
    budget_events_of,
    budgets_now,
    change_budget,
    remove_budget,
    take_events,
)
from remuda.store.database import Store
from remuda.store.errors import StoreError

log = logging.getLogger(__name__)

CROSSED: Final = "budget.crossed"
LOOK_S: Final = 0.5
"""How often it is looked what others used, where anything stops by it: with the reading, within a second."""


class Budgets:
    """All budgets. Changes are made in the store and taken in from there, whoever made them."""

    def __init__(self, store: Store, clock: Clock, zone: tzinfo, writer: str = "") -> None:
        """`zone`: where periods begin at midnight; `writer`: who the journal's own batches are written by."""
        self.stops = HardStops(clock, zone)
        self.zone = zone
        self._store = store
        self._clock = clock
        self._writer = writer
        self._count = 0
        self._used: Mapping[str, float] = {}
        self._lock = asyncio.Lock()
        self._on_change: Callable[[], None] = lambda: None
        self._on_crossed: Callable[[BudgetEvent], None] = lambda event: None
        self.crossed = dict.fromkeys(PERCENTS, 0)
        """How often so many per cent were reached, as far as it was told here."""

    def on_change(self, told: Callable[[], None]) -> None:
        """Call `told` when budgets were read anew."""
        self._on_change = told

    def on_crossed(self, told: Callable[[BudgetEvent], None]) -> None:
        """Call `told` when so much of a budget is used: once for each percentage and period, in one of the gateways on
        the store. It must not raise."""
        self._on_crossed = told

    async def renew(self) -> int:
        """Take in what the store holds; returns the revision it was read at. Raises StoreError."""
        async with self._lock:  # what was read first must not be taken in last
            read_at = self._clock.monotonic()
            standing = await budgets_now(self._store, self._clock.wall(), self.zone, self._writer)
            self._count = len(standing.budgets)
            self._used = used_of(standing.budgets)
            self.stops.take(standing.budgets, standing.last_batch, read_at)
        self._on_change()
        if standing.has_news:
            await self._tell()
        return standing.revision

    def used(self) -> Mapping[str, float]:
        """Per cent that is used of each budget that is active, by its name (of several of one name the most), as it was
        looked last."""
        return self._used

    async def run(self) -> None:
        """Look now and then how budgets stand, while there are any, until cancelled."""
        while True:
            await self._clock.sleep(LOOK_S)
            if self._count:
                try:
                    await self.renew()
                except StoreError as error:
                    log.debug("how budgets stand cannot be read: %s", error)  # the watch over the store says it aloud

    async def all(self) -> Sequence[Budget]:
        """All budgets as they stand, by id."""
        return (await budgets_now(self._store, self._clock.wall(), self.zone)).budgets

    async def one(self, id_: int) -> Budget | None:
        """The budget of this id."""
        return next((budget for budget in await self.all() if budget.id == id_), None)

    async def events(self, id_: int) -> Sequence[BudgetEvent]:
        """When so much of the budget was used, newest first, at most a hundred."""
        return await budget_events_of(self._store, id_)

    async def add(self, terms: BudgetTerms) -> Budget:
        """Keep a budget. Raises TooManyBudgets, StoreError."""
        made = await add_budget(self._store, _plain(terms), self._clock.wall(), self.zone)
        await self.renew()
        return made

    async def change(self, id_: int, terms: BudgetTerms) -> Budget | None:
        """Change what was decided about a budget; None where there is none of this id."""
        changed = await change_budget(self._store, id_, _plain(terms), self._clock.wall(), self.zone)
        await self.renew()
        return changed

    async def remove(self, id_: int) -> bool:
        """Forget a budget; False where there is none of this id."""
        was_there = await remove_budget(self._store, id_)
        await self.renew()
        return was_there

    async def _tell(self) -> None:
        for event in await take_events(self._store, self._clock.wall()):
            used, amount = amount_of(event.usage_nano), amount_of(event.amount_nano)
            log.warning("budget %r: %d %% is used, %g of %g", event.budget_name, event.percent, used, amount)
            self.crossed[event.percent] += 1
            self._on_crossed(event)


def crossing_of(event: BudgetEvent) -> bytes:
    """What the live bus is told of it, in JSON."""
    said = {
        "type": CROSSED,
        "timestamp": iso_time(event.at),
        "data": {
            "event_id": event.id,
            "budget_id": event.budget_id,
            "budget": event.budget_name,
            "percent": event.percent,
            "usage": amount_of(event.usage_nano),
            "amount": amount_of(event.amount_nano),
            "period_start": iso_time(event.period_start),
        },
    }
    return msgspec.json.encode(said)


def used_of(budgets: Iterable[Budget]) -> Mapping[str, float]:
    """Per cent that is used of each budget that is active, by its name."""
    used: dict[str, float] = {}
    for budget in budgets:
        if budget.terms.is_active:
            percent = 100 * budget.usage_nano / budget.terms.amount_nano
            used[budget.terms.name] = max(percent, used.get(budget.terms.name, 0.0))
    return used


def _plain(terms: BudgetTerms) -> BudgetTerms:
    return replace(terms, subject=plain_model(terms.subject)) if terms.scope is Scope.MODEL else terms
