"""What was spent: `/api/cost-analysis`."""

from collections.abc import Callable
from typing import Final

import msgspec
from fastapi import Request, Response

from remuda.core.energy import JOULES_PER_WH
from remuda.core.faults import Unavailable
from remuda.core.money import Price, amount_of, cost_of
from remuda.core.tally import Counts
from remuda.dialects.observe.parts import Add, answered, sees_all
from remuda.dialects.observe.window import HOUR_S, WINDOW, window_in
from remuda.insight.analytics import Analytics
from remuda.insight.prices import Prices
from remuda.store.rollup_reading import Answer, Question

PATH: Final = "/api/cost-analysis"
TOP: Final = 1000
"""Models, keys and users that are told by themselves, those with most requests."""


class Spent(msgspec.Struct, kw_only=True):
    """What some requests cost, in the currency's whole units. Latency in ms."""

    requests: int
    total_tokens: int
    estimated_cost: float
    avg_latency: float
    electricity_cost: float
    """How much of it is for electricity: of what was measured, else by the hour."""
    energy_wh: float | None
    """Measured; null where nothing was."""
    cloud_cost: float | None
    """What the same tokens had cost elsewhere; null where no price for that is set."""


class ModelSpent(Spent, kw_only=True):
    """What a model's requests cost."""

    is_estimate: bool
    """Whether electricity was charged by the hour for some of them, because nothing measured it."""


class CostAnalysis(msgspec.Struct, kw_only=True):
    """What was spent on requests that began in a span of time."""

    total_cost: float
    cost_breakdown: dict[str, ModelSpent]
    """By model."""
    time_period_hours: float
    electricity_cost: float
    energy_wh: float | None
    cloud_cost: float | None
    is_estimate: bool
    cost_by_key: dict[str, Spent] | None
    """By the id of the key, `""` for those without; null for who may not manage."""
    cost_by_user: dict[str, Spent] | None
    """By whom clients said that they ask for, `""` where they did not; null for who may not manage."""


SCHEMAS: Final = (CostAnalysis,)


class CostAnalysisRoutes:
    """What answers it."""

    def __init__(
        self,
        analytics: Analytics | None = None,
        prices: Prices | None = None,
        wall: Callable[[], float] = lambda: 0.0,
        cloud: Price | None = None,
    ) -> None:
        """Without analytics, to be listed and described only. `cloud`: what tokens cost elsewhere."""
        self._given = analytics
        self._prices = prices
        self._wall = wall
        self._cloud = cloud

    def add_to(self, add: Add) -> None:
        """The one."""
        add("GET", PATH, self._analysis, "What was spent", CostAnalysis, query=WINDOW)

    async def _analysis(self, request: Request) -> Response:
        analytics = self._given
        if analytics is None:
            raise Unavailable
        now = self._wall()
        start, until = window_in(request, now)
        end = now if until is None else until

        async def told(dimension: str) -> Answer:
            return await analytics.answer(Question(start, end, dimension, top=TOP, wants_quantiles=False))

        by_model = await told("model")
        # Of requests that came to no model there is none; they cost nothing.
        models = {name: self._of_model(name, counts) for name, counts in _groups(by_model).items() if name}
        keys = users = None
        if sees_all(request.state.caller):
            keys, users = await told("key"), await told("user")
        counts = by_model.total[0].tally.told if 0 in by_model.total else Counts()
        total = self._spent(counts)
        return answered(
            CostAnalysis(
                total_cost=total.estimated_cost,
                cost_breakdown=models,
                time_period_hours=(end - start) / HOUR_S,
                electricity_cost=total.electricity_cost,
                energy_wh=total.energy_wh,
                cloud_cost=total.cloud_cost,
                is_estimate=any(model.is_estimate for model in models.values()),
                cost_by_key=self._of_callers(keys),
                cost_by_user=self._of_callers(users),
            )
        )

    def _of_model(self, name: str, counts: Counts) -> ModelSpent:
        price = None if self._prices is None else self._prices.of(name)
        by_the_hour = price is not None and price.electricity_nano > 0
        is_estimate = by_the_hour and counts.metered < counts.requests
        return ModelSpent(**msgspec.structs.asdict(self._spent(counts)), is_estimate=is_estimate)

    def _of_callers(self, answer: Answer | None) -> dict[str, Spent] | None:
        if answer is None:
            return None
        return {name: self._spent(counts) for name, counts in _groups(answer).items()}

    def _spent(self, counts: Counts) -> Spent:
        cloud = None
        if self._cloud is not None:
            cloud = amount_of(sum(cost_of(self._cloud, counts.prompt_tokens, 0, counts.completion_tokens, 0.0)))
        return Spent(
            requests=counts.requests,
            total_tokens=counts.prompt_tokens + counts.completion_tokens,
            estimated_cost=amount_of(counts.cost_nano),
            avg_latency=round(counts.latency_us / 1000 / counts.requests, 2) if counts.requests else 0.0,
            electricity_cost=amount_of(counts.electricity_nano),
            energy_wh=counts.energy_mj / 1000 / JOULES_PER_WH if counts.metered else None,
            cloud_cost=cloud,
        )


def _groups(answer: Answer) -> dict[str, Counts]:
    return {name: sums[0].tally.told for name, sums in answer.groups.items() if name is not None and 0 in sums}
