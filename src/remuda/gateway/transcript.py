"""What is kept of the words of a request and its answer, where they are kept at all."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from remuda.core.ask import Ask
from remuda.wire.texts import parameters_text, prompt_text

FULL_CHARS: Final = 1_000_000
"""How much of a text is kept where all of it is to be: more than any model's context, less than memory."""


class Capture(NamedTuple):
    """How many characters of each text are kept: the end of a prompt, the beginning of an answer; 0 for none."""

    chars: int = 0
    logged_chars: int = 0
    """The same for routes that are there to be logged."""
    by_key: Mapping[str, int] = {}
    """By id of the key (or `user:` and a name): for what it asks in place of both, be that more or less."""

    @property
    def is_by_key(self) -> bool:
        """Whether it has to be looked up whose request it is."""
        return any(self.by_key.values())


NO_CAPTURE: Final = Capture()


class Transcript:
    """The words of one request and its answer, within a bound."""

    __slots__ = ("_answer", "_left", "parameters", "prompt_text")

    def __init__(self, ask: Ask, chars: int) -> None:
        self.prompt_text = prompt_text(ask.operation, ask.body)[-chars:]
        """The end of it, where the newest message stands."""
        self.parameters = parameters_text(ask.operation, ask.body)
        self._answer: list[str] = []
        self._left = chars

    def append(self, text: str) -> None:
        """The answer goes on with `text`."""
        if self._left > 0 and text:
            self._answer.append(text[: self._left])
            self._left -= len(text)

    @property
    def is_full(self) -> bool:
        """Whether nothing more is kept of the answer."""
        return self._left <= 0

    @property
    def answer_text(self) -> str:
        """The beginning of the answer."""
        return "".join(self._answer)
