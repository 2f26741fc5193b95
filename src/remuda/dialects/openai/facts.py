"""What another Remuda is told of a model beyond its name, so that its own lists have it, too."""

import math
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from remuda.core.moments import iso_time
from remuda.dialects.openai.schemas import ModelDetails, ModelFacts, ModelObject
from remuda.fleet.registry import Model
from remuda.fleet.replica import Replica
from remuda.fleet.told import NOTHING, loaded_by, told_by
from remuda.outbound.http import MAX_ANSWER_BYTES

MAX_BYTES: Final = MAX_ANSWER_BYTES - 4096
"""All models of one list with their facts, in JSON: of a longer answer another Remuda would read nothing at all."""
NO_DETAILS: Final = ModelDetails()
Expiry = Callable[[str], float | None]
"""Unix time at which this gateway unloads the model of that name, as far as it is one of its own; `inf`: never."""


def no_expiry(name: str) -> None:
    """It has none of its own."""


def facts_of(model: Model, replicas: Sequence[Replica], is_own: bool, expiry: Expiry) -> ModelFacts:
    """What `replicas`, all of one way, tell of `model`; where `is_own`, they are of this gateway's own servers."""
    told, loaded = told_by(replicas, model.told if is_own else None), loaded_by(replicas)
    standing = loaded or NOTHING
    details = ModelDetails(
        format=told.format,
        family=told.family,
        families=list(told.families),
        parameter_size=told.parameter_size,
        quantization_level=told.quantization,
        parent_model=told.parent,
    )
    return ModelFacts(
        size=told.size_bytes,
        digest=told.digest,
        modified_at=told.modified_at,
        details=None if details == NO_DETAILS else details,
        capabilities=None if told.capabilities is None else list(told.capabilities),
        trained_context=told.trained_context,
        running=False if loaded is None else loaded.is_running,
        size_vram=standing.size_vram_bytes,
        expires_at=standing.expires_at or (_written(expiry(model.name)) if is_own else ""),
    )


def keep_within(entries: Sequence[ModelObject], max_bytes: int = MAX_BYTES) -> None:
    """Take the facts out of those `entries` at whose turn there is no room left beside the names of all."""
    sizes = [len(msgspec.json.encode(entry.remuda.facts)) for entry in entries]
    left = max_bytes - len(msgspec.json.encode(entries)) + sum(sizes)
    for entry, size in zip(entries, sizes, strict=True):
        left -= size
        if left < 0:
            entry.remuda.facts = None


def _written(at: float | None) -> str:
    return "" if at is None or at == math.inf else iso_time(at)
