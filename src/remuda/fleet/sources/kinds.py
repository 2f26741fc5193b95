"""Which kind of server somebody is, by its answers to a few questions. Pure.

Other servers imitate Ollama and OpenAI, so the most telling marks come first: a Remuda answers all that Ollama does,
llama.cpp lists its models at `/api/tags` as well, and any of them has OpenAI's `/v1/models`.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

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
    if is_remuda(answers.version):
        return NodeKind.REMUDA
    if isinstance(_field(answers.ollama_version, "version"), str) and isinstance(_field(answers.tags, "models"), list):
        return NodeKind.OLLAMA
    if is_llamacpp(answers.models, answers.props):
        return NodeKind.LLAMA_CPP
    return NodeKind.OPENAI if answers.are_all else None


def is_remuda(version: Any) -> bool:
    """Whether it is a Remuda that answers so at `/version`."""
    return bool(_field(version, "name") == "Remuda")


def is_llamacpp(models: Any, props: Any) -> bool:
    """Whether it is llama.cpp's server that answers so at `/v1/models` and `/props`: one of the two is enough, since
    a server may keep its properties to those who have a key, or stand behind somebody who passes `/v1` alone."""
    return isinstance(_field(props, "default_generation_settings"), dict) or _are_owned_by("llamacpp", models)


def is_vllm(models: Any) -> bool:
    """Whether it is a vLLM that lists its models so."""
    return _are_owned_by("vllm", models)


def speaks_messages(ollama_version: Any) -> bool:
    """Whether an Ollama of that version has Anthropic's API: 0.14 was the first."""
    found = _VERSION.match(str(_field(ollama_version, "version")))
    return found is not None and (int(found[1]), int(found[2])) >= (0, 14)


_VERSION: Final = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.|$)")


def _are_owned_by(owner: str, models: Any) -> bool:
    entries = _field(models, "data")
    return isinstance(entries, list) and any(_field(entry, "owned_by") == owner for entry in entries)


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
