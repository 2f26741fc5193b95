"""A model without torch: its tokens are bytes, its answers are given, and it goes on only as far as a test lets it."""

import threading
from collections.abc import Callable, Iterator, Sequence

from remuda.engines.transformers.asked import Chat, Refused, Wish


class FakeModel:
    """Satisfies `speaking.Model`."""

    def __init__(self, says: str = "Hello!", *, context: int = 64, slots: int = 1, embeds: bool = False) -> None:
        self.name = "fake"
        self.slots = slots
        self.context = context
        self.embeds = embeds
        self.says = says.encode()
        self.failure: Exception | None = None
        self.fails_after = 0
        """So many tokens come before the failure."""
        self.wishes: list[tuple[Wish, int | None]] = []
        self.chosen = 0
        """Tokens of all answers so far."""
        self.is_given_up: Callable[[], bool] = lambda: False
        """As the last answer was told."""
        self.begun = threading.Event()
        self._steps: threading.Semaphore | None = None

    def hold(self) -> None:
        """From now on each token has to be let go."""
        self._steps = threading.Semaphore(0)

    def let(self, count: int) -> None:
        """Let so many more tokens go."""
        assert self._steps is not None
        self._steps.release(count)

    def chat_tokens(self, chat: Chat) -> list[int]:
        if any(message["role"] == "nobody" for message in chat.messages):
            raise Refused("The model's chat template refuses these messages: who is that?", parameter="messages")
        return list("".join(message["content"] for message in chat.messages).encode())

    def text_tokens(self, text: str | list[int]) -> list[int]:
        return list(text.encode()) if isinstance(text, str) else text

    def answer(
        self, prompt: Sequence[int], wish: Wish, seed: int | None, is_given_up: Callable[[], bool]
    ) -> Iterator[int]:
        self.wishes.append((wish, seed))
        self.is_given_up = is_given_up
        self.begun.set()
        for count, token in enumerate(self.says):
            if self._steps is not None:
                self._steps.acquire()
            if is_given_up():
                return
            if self.failure is not None and count >= self.fails_after:
                raise self.failure
            self.chosen += 1
            yield token

    def text_of(self, tokens: Sequence[int]) -> str:
        return bytes(tokens).decode(errors="replace")

    def vector(self, tokens: Sequence[int]) -> list[float]:
        if self.failure is not None:
            raise self.failure
        return [1.0, float(len(tokens))]
