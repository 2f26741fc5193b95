"""What requests cost: the prices in force, in memory, and what was used at them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from remuda.core.clock import Clock
from remuda.core.model_names import twin_of
from remuda.core.money import Price, electricity_cost, tokens_cost
from remuda.core.usage import Usage, prompt_estimate
from remuda.store.database import Store
from remuda.store.prices import ModelPrice, change_price, end_price, list_prices, price_history, set_price

RECENT: Final = 8
"""About so many of a model's answers tell how long its next one takes."""
ANY: Final = "*"
"""The price under this name is that of all models without one of their own."""


class Used(Protocol):
    """A request that is over, as far as it matters for what it cost."""

    model: str
    replica: str
    """The last one that was tried; empty where none was."""
    usage: Usage
    queue_wait_s: float


class Prices:
    """The prices of all models. Changes are made in the store and taken in from there, whoever made them."""

    def __init__(self, store: Store, clock: Clock, tokens_per_second: float = 20.0) -> None:
        """`tokens_per_second`: how fast an answer is taken to come of a model that has given none yet."""
        self._store = store
        self._token_s = 1 / tokens_per_second
        self._token_s_of: dict[str, float] = {}
        self._clock = clock
        self._book: Mapping[str, Price] = {}
        self._on_change: Callable[[], None] = lambda: None

    def __bool__(self) -> bool:
        """Whether anything costs anything."""
        return bool(self._book)

    def on_change(self, told: Callable[[], None]) -> None:
        """Call `told` when prices have changed."""
        self._on_change = told

    def of(self, model: str) -> Price | None:
        """The price of a model; None where it costs nothing."""
        return price_in(self._book, model)

    @property
    def in_force(self) -> Mapping[str, Price]:
        """What models cost, by the names they may be asked for."""
        return self._book

    def cost_nano(self, used: Used, duration_s: float, energy_nano: int | None = None) -> tuple[int, int]:
        """What a request cost that took so long, and how much of that is for electricity.

        It is charged what it used, however it ended: its tokens, and its energy; where nothing measures that, the
        engine's time by the hour. Time in the queue is none of it.
        """
        price = self.of(used.model)
        if price is None:
            return energy_nano or 0, energy_nano or 0
        usage = used.usage
        tokens_nano = tokens_cost(price, usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
        if energy_nano is None:
            if not price.electricity_nano or not used.replica:
                return tokens_nano, 0
            engine_s = duration_s - used.queue_wait_s
            if usage.completion_tokens > 0:
                self._note_pace(used.model, engine_s / usage.completion_tokens)
            energy_nano = electricity_cost(price.electricity_nano, engine_s)
        return tokens_nano + energy_nano, energy_nano

    def estimate_nano(self, model: str, prompt_bytes: int, completion_tokens: int) -> int:
        """What a request may cost that is yet to be sent: its tokens, and by the hour the time that so many tokens took
        of late."""
        price = self.of(model)
        if price is None:
            return 0
        tokens_nano = tokens_cost(price, prompt_estimate(prompt_bytes), 0, completion_tokens)
        engine_s = completion_tokens * self._token_s_of.get(model, self._token_s)
        return tokens_nano + electricity_cost(price.electricity_nano, engine_s)

    def _note_pace(self, model: str, token_s: float) -> None:
        """An answer took so long for each of its tokens. Models that are served are few, and so are these."""
        before = self._token_s_of.get(model, token_s)
        self._token_s_of[model] = before + (token_s - before) / RECENT

    async def renew(self) -> int:
        """Take in what the store holds; returns the revision it was read at. Raises StoreError."""
        revision, found = await list_prices(self._store)
        book = {each.model: each.price for each in found}
        # `x` and `x:latest` are the same model: fleet's names have either form.
        others = {twin_of(name): price for name, price in book.items() if name != ANY}
        book = others | book
        if book != self._book:
            self._book = book
            self._on_change()
        return revision

    async def all(self) -> Sequence[ModelPrice]:
        """The prices in force, by id."""
        return (await list_prices(self._store))[1]

    async def history(self, id_: int) -> Sequence[ModelPrice]:
        """What a model costs, and before that what it cost; empty where there is no price of that id."""
        return await price_history(self._store, id_)

    async def set(self, model: str, price: Price) -> ModelPrice:
        """From now on `model` costs `price`. Raises TooManyPrices, StoreError."""
        made = await set_price(self._store, model, price, self._clock.wall())
        await self.renew()
        return made

    async def change(self, id_: int, price: Price) -> ModelPrice | None:
        """As `set`, by the price's id; None where there is none."""
        changed = await change_price(self._store, id_, price, self._clock.wall())
        await self.renew()
        return changed

    async def end(self, id_: int) -> bool:
        """From now on the model costs nothing; False where there is no such price."""
        was_there = await end_price(self._store, id_, self._clock.wall())
        await self.renew()
        return was_there


def price_in(book: Mapping[str, Price], model: str) -> Price | None:
    """The price of a model in a book of them; None where it costs nothing."""
    return book.get(model) or book.get(ANY)
