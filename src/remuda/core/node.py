"""Servers elsewhere, as people name them."""

from enum import StrEnum


class NodeKind(StrEnum):
    """What kind of server a node is."""

    OLLAMA = "ollama"
    LLAMA_CPP = "llama.cpp"
    OPENAI = "openai"
    REMUDA = "remuda"
