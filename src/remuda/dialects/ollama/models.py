"""The fleet's models as Ollama lists them. Servers do not tell sizes, digests or families; what is made up is empty or
says so."""

import hashlib
from collections.abc import Iterator
from typing import Final

from remuda.core.faults import UnknownModel
from remuda.dialects.ollama.answers import timestamp
from remuda.dialects.ollama.schemas import (
    OllamaDetails,
    OllamaModel,
    OllamaModels,
    OllamaRunning,
    OllamaRunningModel,
    OllamaShown,
)
from remuda.fleet.registry import WILDCARD, Fleet, Model

FOREVER: Final = "9999-12-31T23:59:59Z"
"""When a model that can answer now is unloaded: nobody has said."""
ARCHITECTURE: Final = "unknown"
EMBEDS: Final = "embed"
RANKS: Final = "rerank"


def listed(fleet: Fleet) -> OllamaModels:
    """Every model that is offered and every alias, sorted by name."""
    return OllamaModels([_entry(name, model) for name, model in _named(fleet)])


def running(fleet: Fleet) -> OllamaRunning:
    """Those of them that can answer at once."""
    return OllamaRunning(
        [
            OllamaRunningModel(
                name=name,
                model=name,
                modified_at=timestamp(model.created_at),
                size=0,
                digest=digest_of(model.name),
                details=OllamaDetails(),
                expires_at=FOREVER,
                size_vram=0,
                context_length=model.context_length or 0,
            )
            for name, model in _named(fleet)
            if any(replica.is_routable for replica in model.replicas)
        ]
    )


def shown(fleet: Fleet, name: str) -> OllamaShown:
    """What is known of the model a client means by `name`; raises UnknownModel."""
    model = fleet.look_up(name)
    if model is None:
        raise UnknownModel(parameter="model", received=name[:200])
    own = model.name if model.name != WILDCARD else name
    info: dict[str, object] = {"general.architecture": ARCHITECTURE, "general.basename": own}
    if model.context_length is not None:
        info[f"{ARCHITECTURE}.context_length"] = model.context_length
    return OllamaShown(
        modelfile=f"FROM {own}\n",
        parameters="",
        template="",
        details=OllamaDetails(),
        model_info=info,
        capabilities=capabilities_of(own),
        modified_at=timestamp(model.created_at),
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


def _entry(name: str, model: Model) -> OllamaModel:
    return OllamaModel(name, name, timestamp(model.created_at), 0, digest_of(model.name), OllamaDetails())
