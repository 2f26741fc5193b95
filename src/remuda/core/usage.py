"""Tokens of one request."""

from typing import Final

import msgspec

BYTES_PER_TOKEN: Final = 4
"""Of a prompt in JSON, about: less in few languages, more where there is much structure."""
MAX_ESTIMATE: Final = 131_072
"""Taken for the longest prompt: of longer bodies most is pictures."""


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Token counts as the engine reported them, or estimated where it said nothing."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """Prompt tokens the engine already held; part of `prompt_tokens`."""
    is_estimated: bool = False


NO_USAGE = Usage()


def prompt_estimate(body_bytes: int) -> int:
    """About how many tokens the prompt of a request of this size has."""
    return min(body_bytes // BYTES_PER_TOKEN, MAX_ESTIMATE)


def with_prompt(usage: Usage, body_bytes: int) -> Usage:
    """The usage with an estimate of the prompt, where that of the answer is one already and nothing was said of it."""
    if not usage.is_estimated or usage.prompt_tokens:
        return usage
    return Usage(prompt_estimate(body_bytes), usage.completion_tokens, usage.cached_tokens, is_estimated=True)
