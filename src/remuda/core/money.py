"""Money as whole numbers: 10^-9 of the currency's unit (*nano*), so that sums never drift.

Each part of a cost is rounded by itself, half a nano upwards; the cost is the sum of its parts, so it never differs
from them.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

NANO: Final = 10**9
PER_TOKENS: Final = 1000
"""Prices of tokens are for so many."""
MAX_NANO: Final = 2**63 - 1
"""The largest amount that is kept: the databases' whole numbers have 64 bits."""
MAX_PRICE: Final = Decimal(1_000_000)
"""The highest price, for 1,000 tokens or for an hour."""
MAX_COST_NANO: Final = 10**15
"""The highest cost of one request, a million: engines that report absurd counts must not spoil the sums."""

_HOUR_US: Final = 3_600_000_000


class Price(NamedTuple):
    """What a model costs, in nano."""

    input_nano: int = 0
    """For 1,000 tokens of the prompt."""
    output_nano: int = 0
    """For 1,000 tokens of the answer."""
    cached_nano: int | None = None
    """For 1,000 tokens of the prompt that the engine held already; None: as for others."""
    electricity_nano: int = 0
    """For each hour that an engine works on a request."""


FREE: Final = Price()


class Cost(NamedTuple):
    """The parts of what a request cost, in nano."""

    input_nano: int
    """Of the prompt, but for what was cached and has a price of its own."""
    cached_nano: int
    output_nano: int
    electricity_nano: int

    @property
    def total_nano(self) -> int:
        """All parts, at most MAX_COST_NANO."""
        return min(sum(self), MAX_COST_NANO)


def nano_of(amount: Decimal) -> int:
    """An amount of whole units as nano; what is smaller than one is rounded, half upwards."""
    return int((amount * NANO).to_integral_value(ROUND_HALF_UP))


def amount_of(nano: int) -> float:
    """Nano as whole units, to be shown."""
    return nano / NANO


def cost_of(price: Price, prompt_tokens: int, cached_tokens: int, completion_tokens: int, engine_s: float) -> Cost:
    """What a request cost that used so many tokens, `cached_tokens` of `prompt_tokens` being cached, and an engine for
    so many seconds, which count in whole microseconds. Counts below 0 are taken for 0."""
    prompt_tokens = max(prompt_tokens, 0)
    cached = 0 if price.cached_nano is None else min(max(cached_tokens, 0), prompt_tokens)
    return Cost(
        rounded((prompt_tokens - cached) * price.input_nano, PER_TOKENS),
        rounded(cached * (price.cached_nano or 0), PER_TOKENS),
        rounded(max(completion_tokens, 0) * price.output_nano, PER_TOKENS),
        electricity_cost(price.electricity_nano, engine_s),
    )


def tokens_cost(price: Price, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> int:
    """What the tokens cost together, as `cost_of` has it, in a fifth of the time: each request is charged.

    It may be less where a count is below 0, which only an engine's error can be.
    """
    input_nano, output_nano, cached_nano, _ = price
    nano = (completion_tokens * output_nano + 500) // 1000
    if cached_nano is not None:
        cached = min(prompt_tokens, cached_tokens)
        prompt_tokens -= cached
        nano += (cached * cached_nano + 500) // 1000
    nano += (prompt_tokens * input_nano + 500) // 1000
    if 0 <= nano <= MAX_COST_NANO:
        return nano
    return 0 if nano < 0 else MAX_COST_NANO


def electricity_cost(nano_per_hour: int, seconds: float) -> int:
    """What so many seconds cost at a price for an hour; they count in whole microseconds."""
    return min(rounded(max(int(seconds * 1e6), 0) * nano_per_hour, _HOUR_US), MAX_COST_NANO)


def rounded(amount: int, parts: int) -> int:
    """`amount` divided into so many parts, half upwards."""
    return (2 * amount + parts) // (2 * parts)
