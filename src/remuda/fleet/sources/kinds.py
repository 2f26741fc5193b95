"""Which kind of server somebody is, by its answers to a few questions. Pure.

Other servers imitate Ollama and OpenAI, so the most telling marks come first: a Remuda answers all that Ollama does,
llama.cpp lists its models at `/api/tags` as well, and any of them has OpenAI's `/v1/models`.
"""

from dataclasses import dataclass
from typing import Any

from remuda.core.node import NodeKind


@dataclass(frozen=True, slots=True)
class Answers:
    """The JSON at five places; None where there was none."""

    models: Any = None
    """`/v1/models`."""
    version: Any = None
    """`/version`."""
    ollama_version: Any = None
    """`/api/version`."""
    tags: Any = None
    """`/api/tags`."""
    props: Any = None
    """`/props`."""
    are_all: bool = True
    """Whether all have been asked for; else what speaks for a kind may be still to come."""


def kind_of(answers: Answers) -> NodeKind | None:
    """The kind of server that answers so; None where it has to be asked again."""
    if _field(answers.version, "name") == "Remuda":
        return NodeKind.REMUDA
    if isinstance(_field(answers.ollama_version, "version"), str) and isinstance(_field(answers.tags, "models"), list):
        return NodeKind.OLLAMA
    if isinstance(_field(answers.props, "default_generation_settings"), dict) or _is_owned_by_llamacpp(answers.models):
        return NodeKind.LLAMA_CPP
    return NodeKind.OPENAI if answers.are_all else None


def _is_owned_by_llamacpp(models: Any) -> bool:
    entries = _field(models, "data")
    return isinstance(entries, list) and any(_field(entry, "owned_by") == "llamacpp" for entry in entries)


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
