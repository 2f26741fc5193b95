"""The fleet's models as Ollama lists them. Ollama servers, those behind other Remudas, too, and the gateway's own
files tell sizes, digests and families; of models that only others serve, what is made up is empty or says so."""

import hashlib
import math
from collections.abc import Iterator
from typing import Final

from remuda.core.faults import UnknownModel
from remuda.dialects.ollama.answers import timestamp
from remuda.dialects.ollama.own import NONE, OwnModels
from remuda.dialects.ollama.schemas import (
    OllamaDetails,
    OllamaModel,
    OllamaModels,
    OllamaRunning,
    OllamaRunningModel,
    OllamaShown,
)
from remuda.fleet.registry import WILDCARD, Fleet, Model
from remuda.fleet.replica import Told
from remuda.fleet.told import loaded_by, told_by

FOREVER: Final = "9999-12-31T23:59:59Z"
"""When a model that can answer now is unloaded: never, or nobody has said."""
ARCHITECTURE: Final = "unknown"
EMBEDS: Final = "embed"
RANKS: Final = "rerank"


def listed(fleet: Fleet) -> OllamaModels:
    """Every model that is offered and every alias, sorted by name, each once."""
    return OllamaModels([_entry(name, model, _told_of(model)) for name, model in _named(fleet)])


def running(fleet: Fleet, own: OwnModels = NONE) -> OllamaRunning:
    """Those of them that can answer at once: on servers that tell, those that are loaded."""
    made = []
    for name, model in _named(fleet):
        told = loaded_by(model.replicas)
        if told is not None:
            entry = _entry(name, model, told)
            made.append(
                OllamaRunningModel(
                    name=name,
                    model=name,
                    modified_at=entry.modified_at,
                    size=entry.size,
                    digest=entry.digest,
                    details=entry.details,
                    expires_at=told.expires_at or _expiry(own.expires_at(model.name)),
                    size_vram=told.size_vram_bytes or 0,
                    context_length=model.context_length or 0,
                )
            )
    return OllamaRunning(made)


def shown(fleet: Fleet, name: str) -> OllamaShown:
    """What is known of the model a client means by `name`; raises UnknownModel."""
    model = fleet.meant(name)
    if model is None:
        raise UnknownModel(parameter="model", received=name[:200])
    own, told = model.name if model.name != WILDCARD else name, _told_of(model)
    architecture = told.family or ARCHITECTURE
    info: dict[str, object] = {"general.architecture": architecture, "general.basename": own} | dict(told.info)
    context = told.trained_context or model.context_length
    if context is not None:
        info[f"{architecture}.context_length"] = context
    return OllamaShown(
        modelfile=f"FROM {own}\n",
        parameters="",
        template="",
        details=details_of(told),
        model_info=info,
        capabilities=capabilities_of(own) if told.capabilities is None else list(told.capabilities),
        modified_at=told.modified_at or timestamp(model.created_at),
    )


def details_of(told: Told) -> OllamaDetails:
    """What a model is made of, in Ollama's fields."""
    return OllamaDetails(
        parent_model=told.parent,
        format=told.format,
        family=told.family,
        families=list(told.families),
        parameter_size=told.parameter_size,
        quantization_level=told.quantization,
    )


def capabilities_of(name: str) -> list[str]:
    """What a model with this name may well do; clients offer only what stands here, so tools do, too."""
    words = name.lower()
    if EMBEDS in words:
        return ["embedding"]
    return [] if RANKS in words else ["completion", "tools"]


def digest_of(name: str) -> str:
    """What stands for a model's digest: clients tell models apart by it."""
    return hashlib.sha256(name.encode()).hexdigest()


def _named(fleet: Fleet) -> Iterator[tuple[str, Model]]:
    known = {model.name: model for model in fleet.offered()}
    aliases = {alias: known[target] for alias, target in fleet.aliases().items() if target in known}
    yield from sorted((aliases | known).items())


def _told_of(model: Model) -> Told:
    return told_by(model.replicas, model.told)


def _expiry(at: float | None) -> str:
    return FOREVER if at is None or at == math.inf else timestamp(at)


def _entry(name: str, model: Model, told: Told) -> OllamaModel:
    return OllamaModel(
        name=name,
        model=name,
        modified_at=told.modified_at or timestamp(model.created_at),
        size=told.size_bytes or 0,
        digest=told.digest or digest_of(model.name),
        details=details_of(told),
    )
