"""An answer, token by token: the text each token adds, where it ends, and why. What computes is handed in."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from remuda.engines.transformers.asked import Chat, Wish, overflow

_HALF_CHARACTER: Final = "\ufffd"
"""What decoding makes of bytes that are no whole character yet."""
MAX_HALF_TOKENS: Final = 8
"""A character has at most four bytes: what is no whole character after so many tokens will never be one."""


class Model(Protocol):
    """A loaded model. May be called from several threads at once."""

    @property
    def name(self) -> str:
        """What clients call it."""
        ...

    @property
    def slots(self) -> int:
        """How many requests it is to work on at once."""
        ...

    @property
    def context(self) -> int:
        """Tokens that prompt and answer may have together."""
        ...

    @property
    def embeds(self) -> bool:
        """Whether it gives vectors, and no text."""
        ...

    def chat_tokens(self, chat: Chat) -> list[int]:
        """The prompt of a conversation, by the model's own template. Raises Refused."""
        ...

    def text_tokens(self, text: str | list[int]) -> list[int]:
        """The tokens of a text. Raises Refused for tokens that are none of the vocabulary."""
        ...

    def answer(
        self, prompt: Sequence[int], wish: Wish, seed: int | None, is_given_up: Callable[[], bool]
    ) -> Iterator[int]:
        """The tokens of an answer as they are chosen, until the model ends it; ends at once where nobody wants it."""
        ...

    def text_of(self, tokens: Sequence[int]) -> str:
        """The text of some tokens; those that only steer are left out."""
        ...

    def vector(self, tokens: Sequence[int]) -> list[float]:
        """The vector of a text, of length 1."""
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """What one more token brought."""

    text: str
    """May be empty: half a character, or the beginning of what may be a stop text."""
    tokens: int
    """Of the answer so far."""
    finish: str | None = None
    """`stop` or `length` with the last piece."""


def check_length(model: Model, prompt: Sequence[int]) -> None:
    """Raise Refused where the context has no room for `prompt`, and for a token of the answer."""
    room = model.context if model.embeds else model.context - 1
    if len(prompt) > room:
        raise overflow(len(prompt), model.context)


def pieces(
    model: Model, prompt: Sequence[int], wish: Wish, seed: int | None, is_given_up: Callable[[], bool]
) -> Iterator[Piece]:
    """The pieces of one answer, the last of them with its `finish`; none more once it is given up."""
    room = model.context - len(prompt)
    limit = room if wish.max_tokens is None else min(room, wish.max_tokens)
    text, until = _Text(model), _Until(wish.stop)
    count, said = 0, ""
    if limit > 0:
        for token in model.answer(prompt, wish, seed, is_given_up):
            count += 1
            said = until.feed(text.feed(token))
            if until.is_met or count >= limit:
                break
            yield Piece(said, count)
            said = ""
        if is_given_up():
            return
    if not until.is_met:
        said += until.feed(text.end())
    if until.is_met:
        yield Piece(said, count, "stop")
    else:
        yield Piece(said + until.end(), count, "length" if count >= limit else "stop")


class _Text:
    """Makes text of tokens as they come: a character may take several, and a token's text may depend on the last."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._said: list[int] = []
        """The last tokens whose text has been given out."""
        self._held: list[int] = []

    def feed(self, token: int) -> str:
        self._held.append(token)
        new = self._new()
        if new.endswith(_HALF_CHARACTER) and len(self._held) < MAX_HALF_TOKENS:
            return ""
        return self._taken(new)

    def end(self) -> str:
        return self._taken(self._new())

    def _new(self) -> str:
        before = self._model.text_of(self._said)
        return self._model.text_of([*self._said, *self._held])[len(before) :]

    def _taken(self, new: str) -> str:
        if self._held:
            self._said, self._held = self._held, []
        return new


class _Until:
    """Lets text through up to the first of the stop texts, and keeps back what may be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._kept = ""
        self.is_met = False

    def feed(self, text: str) -> str:
        if not self._stops:
            return text
        self._kept += text
        found = [at for stop in self._stops if (at := self._kept.find(stop)) >= 0]
        if found:
            self.is_met = True
            return self._kept[: min(found)]
        hold = max(self._overlap(stop) for stop in self._stops)
        ready, self._kept = self._kept[: len(self._kept) - hold], self._kept[len(self._kept) - hold :]
        return ready

    def end(self) -> str:
        rest, self._kept = self._kept, ""
        return rest

    def _overlap(self, stop: str) -> int:
        """How much of the end of the text kept is a beginning of `stop`."""
        longest = min(len(stop) - 1, len(self._kept))
        return next((size for size in range(longest, 0, -1) if self._kept.endswith(stop[:size])), 0)
