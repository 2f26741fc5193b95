"""How large an engine is to be for a model: decided from the user's settings and the file's own word. No I/O."""

from dataclasses import dataclass

from remuda.engines.launch import DEFAULT_CONTEXT, EngineSettings
from remuda.wire.gguf import GgufHeader

EMBEDDING_BATCH = 2048
"""For embeddings and reranking a whole input must fit one step; longer ones are refused. Bounds memory and how long
such a request, which cannot be cancelled, may run."""

EMBEDDING_ARCHITECTURES = frozenset(
    {
        "bert",
        "eurobert",
        "gemma-embedding",
        "jina-bert-v2",
        "jina-bert-v3",
        "modern-bert",
        "neo-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "t5encoder",
    }
)
"""Families that only embed; their files usually name the pooling too."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An engine's sizes."""

    slots: int
    context: int
    """Tokens per slot."""
    batch: int
    """Tokens per step."""
    pooling: str | None
    """How token vectors become one embedding, or RANK for reranking; None: neither is served."""


def plan_for(settings: EngineSettings, header: GgufHeader) -> Plan:
    """The sizes for the model with `header`: the user's word first, then the file's, then our defaults."""
    trained = header.context_length or DEFAULT_CONTEXT
    context = min(settings.context, trained) if settings.context else min(DEFAULT_CONTEXT, trained)
    pooling = _pooling(settings, header)
    batch = min(EMBEDDING_BATCH, context) if pooling else settings.batch
    return Plan(slots=settings.slots, context=context, batch=batch, pooling=pooling)


def _pooling(settings: EngineSettings, header: GgufHeader) -> str | None:
    if settings.embeds is False:
        return None
    named = header.pooling if header.pooling != "NONE" else None
    if named or settings.embeds or header.architecture in EMBEDDING_ARCHITECTURES:
        return named or "MEAN"
    return None
