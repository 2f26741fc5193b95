"""Servers elsewhere, as people name them."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_NUMBER: Final = re.compile(r"[+-]?\d+")


class NodeKind(StrEnum):
    """What kind of server a node is."""

    OLLAMA = "ollama"
    LLAMA_CPP = "llama.cpp"
    OPENAI = "openai"
    REMUDA = "remuda"


@dataclass(frozen=True, slots=True)
class Node:
    """A server elsewhere that was added while the gateway was in use."""

    id: int
    """A positive number; given out once, also where its node is removed. 0: not given out yet."""
    name: str
    """What it is called in logs and metrics; unique."""
    url: str
    """Its base address, normalised; unique."""
    kind: NodeKind | None = None
    """None: it is found out."""
    credential: str = ""
    """What is sent to it: nothing, `env:NAME` (the variable that holds it), or a sealed key. Never the key itself."""
    slots: int | None = None
    """How many requests it is sent at once; None: as many as an upstream of the settings."""
    weight: int = 1
    is_drained: bool = False
    created_at: float = 0.0
    """Wall clock, seconds since 1970."""


def is_like_id(name: str) -> bool:
    """Whether `name` is a number, with a sign or without: whoever says it may mean the node with that id."""
    return _NUMBER.fullmatch(name) is not None
