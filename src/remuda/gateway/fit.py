"""Whether an engine can have seen all of a prompt.

Most engines refuse a prompt that is longer than their context. Ollama, and who does as it does, takes what fits and
says nothing. How many tokens a prompt has only the engine knows, but it has at least one for each word, as tokens do
not reach over the space between words; so this errs on the side of silence.
"""

from typing import Final, NamedTuple

from remuda.core.ask import Ask, Operation
from remuda.core.usage import Usage
from remuda.wire.texts import prompt_text

BYTES_PER_TOKEN: Final = 4
"""A request's body that has no more than so many for each token of a context is not looked at any closer."""
CHARS_PER_TOKEN: Final = 6
"""Of languages that write no spaces no token has more."""
TOLERANCE: Final = 0.9
"""Part of the least number of tokens that an engine may report without being thought to have seen too little."""
PICTURES: Final = b";base64,"
"""Stands in bodies whose length tells nothing of their prompt's."""


class Fit(NamedTuple):
    """A long prompt beside the context that it went into."""

    least_tokens: int
    """The prompt has no fewer."""
    context: int
    """How many the engine has room for, prompt and answer together."""
    is_single: bool
    """Whether there is one prompt."""

    def is_truncated(self, usage: Usage) -> bool:
        """Whether the engine has seen less than was sent.

        That it says so itself counts most: it reports fewer tokens of a prompt than that has, though it has used at
        least half of its context (where fewer are reported it may have kept the rest from before, and where more are
        than there is room for, its context has grown since it was asked for that). Where it reports nothing, or not
        yet, a single prompt is truncated that has no room there.
        """
        reported = 0 if usage.is_estimated else usage.prompt_tokens
        if reported:
            return self.context <= 2 * reported <= 2 * self.context and reported < TOLERANCE * self.least_tokens
        return self.is_single and self.least_tokens > self.context


def fit_of(ask: Ask, context: int) -> Fit | None:
    """How the prompt of `ask`, a long one, goes into `context` (tokens); None where there is no way to tell."""
    body = ask.body
    if PICTURES in body:
        return None
    if ask.operation is Operation.COMPLETION:
        is_single = ask.is_streamed and ask.prompts == 1
    else:
        is_single = ask.operation in (Operation.CHAT, Operation.RESPONSE)
    return Fit(least_tokens(prompt_text(ask.operation, body)), context, is_single)


def least_tokens(text: str) -> int:
    """How many tokens `text` has at least."""
    # Three bytes of UTF-8 for each character are two more than it has characters.
    wide = (len(text.encode("utf-8", "replace")) - len(text)) // 2
    return max(len(text.split()), wide // CHARS_PER_TOKEN)
