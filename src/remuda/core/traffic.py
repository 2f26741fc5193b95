"""What went over the gateway in a while, in sums, as the journal tells it."""

from collections.abc import Iterable
from typing import NamedTuple

LONG_TOKENS = 500
"""A request with more tokens than this is long (document S3, by way of this project's notes)."""
WAITED_S = 1.0
"""Whoever waits for a slot for longer than this has waited."""


class Window(NamedTuple):
    """Which requests are meant: those to chat, completions and responses that began in this while, the newest `most` of
    them. What comparisons asked is none of them."""

    since: float
    """Wall clock."""
    until: float
    most: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.until - self.since


class Traffic(NamedTuple):
    """Sums over requests. Of times, tokens and scores only what was answered well counts, but for the score."""

    requests: int = 0
    failed: int = 0
    latency_s: float = 0.0
    score: float = 0.0
    temperatures: int = 0
    """Requests that say one."""
    temperature: float = 0.0
    streams: int = 0
    """Those whose TTFT is known."""
    ttft_s: float = 0.0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    work_s: float = 0.0
    """Their time, without the wait for a slot."""
    long: int = 0
    """Those with more than LONG_TOKENS."""
    excess_tokens: int = 0
    """Tokens beyond these."""
    waited: int = 0
    wait_s: float = 0.0
    """For a slot, of all requests."""
    truncated: int = 0
    cost_nano: int = 0

    @property
    def answered(self) -> int:
        """Requests that went well."""
        return self.requests - self.failed

    @property
    def tokens(self) -> int:
        """Of prompts and answers."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def mean_latency_s(self) -> float | None:
        """Of an answered request."""
        return self.latency_s / self.answered if self.answered else None

    @property
    def mean_ttft_s(self) -> float | None:
        """Of a stream."""
        return self.ttft_s / self.streams if self.streams else None

    @property
    def mean_score(self) -> float | None:
        """Of all requests."""
        return self.score / self.requests if self.requests else None

    @property
    def mean_temperature(self) -> float | None:
        """Of those that say one."""
        return self.temperature / self.temperatures if self.temperatures else None

    @property
    def tokens_per_second(self) -> float | None:
        """Of answers, over all the time they took but the wait for a slot."""
        return self.completion_tokens / self.work_s if self.completion_tokens and self.work_s > 0 else None


class ReplicaTraffic(NamedTuple):
    """What one replica of a model had of it."""

    model: str
    replica: str
    """Empty for what came to none."""
    traffic: Traffic
    first_at: float = 0.0
    """When the first of its requests began."""


class Load(NamedTuple):
    """How many requests a replica had at once."""

    peak: int
    """At any moment."""
    busiest: float
    """On average, in its busiest five minutes."""


class Beginning(NamedTuple):
    """How a stored prompt begins, and who read it."""

    model: str
    replica: str
    text: str
    chars: int
    """Of the whole prompt."""
    prompt_tokens: int
    cached_tokens: int


def merged(parts: Iterable[Traffic]) -> Traffic:
    """All of it together."""
    columns = list(zip(*parts, strict=True))
    return Traffic._make(map(sum, columns)) if columns else Traffic()
