"""Tokens of one request."""

import msgspec


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Token counts as the engine reported them, or estimated where it said nothing."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """Prompt tokens the engine already held; part of `prompt_tokens`."""
    is_estimated: bool = False


NO_USAGE = Usage()
