"""Questions about the past, from the store to the answer's JSON.

They may be worked out in a process of their own (`store.aside`): what they take and give can be pickled, and nothing
here imports a web framework.
"""

import asyncio
from typing import Final

import msgspec

from remuda.core.spans import HOUR
from remuda.dialects.observe.analytics_schemas import ValueCount, Values
from remuda.dialects.observe.analytics_shown import models_shown, performance_shown, series_shown
from remuda.store.database import Store
from remuda.store.rollup_reading import Answer, Question, answer, values_in

MAX_MODELS: Final = 100
MAX_VALUES: Final = 1000


async def performance(store: Store, start: float, end: float) -> bytes:
    """How fast and how well it went. Raises StoreError."""
    told = await answer(store, Question(start, end, "model", top=MAX_MODELS, wants_only_counts=True))
    return msgspec.json.encode(performance_shown(told, start, end))


async def models(store: Store, start: float, end: float) -> bytes:
    """Models side by side. Raises StoreError."""
    told = await answer(store, Question(start, end, "model", top=MAX_MODELS, wants_quantiles=False))
    return msgspec.json.encode(models_shown(told, (end - start) / HOUR))


async def series(store: Store, start: float, end: float, dimension: str, top: int, width_s: int) -> bytes:
    """How it went over time. Raises StoreError."""
    told = await answer(store, Question(start, end, dimension, top=top, width_s=width_s))
    # Thousands of points take longer than an event loop should wait.
    return await asyncio.to_thread(_encoded_series, told, dimension, start, end)


async def values(store: Store, start: float, end: float, *, is_told_all: bool) -> bytes:
    """What requests can be told apart by; keys and users only where all is told. Raises StoreError."""

    async def told(dimension: str) -> list[ValueCount]:
        found = await values_in(store, dimension, start, end, MAX_VALUES)
        return [ValueCount(value, count) for value, count in found if value]

    return msgspec.json.encode(
        Values(
            models=await told("model"),
            replicas=await told("replica"),
            keys=await told("key") if is_told_all else None,
            users=await told("user") if is_told_all else None,
        )
    )


def _encoded_series(told: Answer, dimension: str, start: float, end: float) -> bytes:
    return msgspec.json.encode(series_shown(told, dimension, start, end))
