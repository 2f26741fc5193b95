"""The two models that ship with Remuda, made by `tools/tiny_models`: about 1 MB each, licensed Apache-2.0.

They let a fresh clone answer through a real engine, and let every test speak to one. `CHAT` talks (llamas, Remuda,
counting, echoes, stories, tool calls, JSON, thoughts on request); `EMBED` gives vectors of 128 dimensions.
Nobody who brings a GGUF of their own needs either. Who calls this: the composition root and tests. What it must not
know: how an engine is run.
"""

from pathlib import Path

CHAT_NAME = "remuda-tiny"
EMBED_NAME = "remuda-tiny-embed"

CHAT = Path(__file__).with_name(f"{CHAT_NAME}.gguf")
"""The chat model."""
EMBED = Path(__file__).with_name(f"{EMBED_NAME}.gguf")
"""The embedding model; its vectors are the mean over the tokens, of length 1."""
DIMENSIONS = 128
"""Of a vector of `EMBED`."""

__all__ = ["CHAT", "CHAT_NAME", "DIMENSIONS", "EMBED", "EMBED_NAME"]
