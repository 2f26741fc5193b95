"""What was spent, from the store to the answer's JSON: as `questions`, perhaps in a process of its own."""

from collections.abc import Mapping
from typing import Final

import msgspec

from remuda.core.energy import JOULES_PER_WH
from remuda.core.money import Price, amount_of, cost_of
from remuda.core.spans import HOUR
from remuda.core.tally import Counts
from remuda.insight.prices import price_in
from remuda.store.database import Store
from remuda.store.rollup_reading import Answer, Question, answer

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


async def spending(
    store: Store, start: float, end: float, prices: Mapping[str, Price], cloud: Price | None, *, is_told_all: bool
) -> bytes:
    """What was spent; by key and user only where all is told. `prices` by model, and `cloud`: what tokens cost
    elsewhere. Raises StoreError."""

    async def told(dimension: str) -> Answer:
        return await answer(store, Question(start, end, dimension, top=TOP, wants_quantiles=False))

    by_model = await told("model")
    # Of requests that came to no model there is none; they cost nothing.
    models = {
        name: _of_model(counts, price_in(prices, name), cloud) for name, counts in _groups(by_model).items() if name
    }
    total = _spent(by_model.total[0].tally.told if 0 in by_model.total else Counts(), cloud)
    return msgspec.json.encode(
        CostAnalysis(
            total_cost=total.estimated_cost,
            cost_breakdown=models,
            time_period_hours=(end - start) / HOUR,
            electricity_cost=total.electricity_cost,
            energy_wh=total.energy_wh,
            cloud_cost=total.cloud_cost,
            is_estimate=any(model.is_estimate for model in models.values()),
            cost_by_key=_of_callers(await told("key"), cloud) if is_told_all else None,
            cost_by_user=_of_callers(await told("user"), cloud) if is_told_all else None,
        )
    )


def _of_model(counts: Counts, price: Price | None, cloud: Price | None) -> ModelSpent:
    by_the_hour = price is not None and price.electricity_nano > 0
    is_estimate = by_the_hour and counts.metered < counts.requests
    return ModelSpent(**msgspec.structs.asdict(_spent(counts, cloud)), is_estimate=is_estimate)


def _of_callers(told: Answer, cloud: Price | None) -> dict[str, Spent]:
    return {name: _spent(counts, cloud) for name, counts in _groups(told).items()}


def _spent(counts: Counts, cloud: Price | None) -> Spent:
    cloud_cost = None
    if cloud is not None:
        cloud_cost = amount_of(sum(cost_of(cloud, counts.prompt_tokens, 0, counts.completion_tokens, 0.0)))
    return Spent(
        requests=counts.requests,
        total_tokens=counts.prompt_tokens + counts.completion_tokens,
        estimated_cost=amount_of(counts.cost_nano),
        avg_latency=round(counts.latency_us / 1000 / counts.requests, 2) if counts.requests else 0.0,
        electricity_cost=amount_of(counts.electricity_nano),
        energy_wh=counts.energy_mj / 1000 / JOULES_PER_WH if counts.metered else None,
        cloud_cost=cloud_cost,
    )


def _groups(told: Answer) -> dict[str, Counts]:
    return {name: sums[0].tally.told for name, sums in told.groups.items() if name is not None and 0 in sums}
