"""What analytics are told in. Times in milliseconds, moments in UTC."""

from typing import Final

import msgspec


class Summary(msgspec.Struct):
    """All requests of the span. Rates in per cent, scores from 0 to 1, cost in the currency's unit."""

    total_requests: int
    success_rate: float
    streaming_requests: int
    avg_performance_score: float
    failed_requests: int
    truncated_requests: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    total_tokens: int
    avg_queue_wait_ms: float
    total_cost: float
    energy_joules: float | None
    """Of those that a meter told; null where none did."""


class Spread(msgspec.Struct):
    """How something is distributed; zeros where there is nothing."""

    mean: float
    median: float
    p95: float
    p99: float
    min: float
    max: float


class ThroughputStats(msgspec.Struct):
    """Tokens of the answer for each second of a request that was answered with any."""

    mean_tokens_per_sec: float
    max_tokens_per_sec: float
    min_tokens_per_sec: float
    median_tokens_per_sec: float
    p95_tokens_per_sec: float
    p99_tokens_per_sec: float


class ModelFigures(msgspec.Struct):
    """One model. Latency in ms, the rate in per cent."""

    request_count: int
    avg_latency: float
    avg_performance_score: float
    error_rate: float
    total_tokens: int
    total_cost: float


class Performance(msgspec.Struct, rename={"from_": "from"}):
    """How it went. Latency and time to first token in ms."""

    summary: Summary
    latency_stats: Spread
    ttft_stats: Spread
    throughput_stats: ThroughputStats
    model_performance: dict[str, ModelFigures]
    percentiles: str
    """`exact`, or `approximate`: within 1 % where there are more than 100,000 requests."""
    from_: str
    to: str


class ModelPerformance(msgspec.Struct):
    """One model beside others. Latency in ms, throughput in tokens per second."""

    model_name: str
    avg_latency: float
    avg_throughput: float
    avg_performance: float
    request_count: int
    total_tokens: int


class ModelsCompared(msgspec.Struct):
    """The best first; `recommendation` is its name."""

    models: list[ModelPerformance]
    time_period_hours: float
    recommendation: str | None


class PointSpread(msgspec.Struct):
    """How something is distributed; zeros where there is nothing."""

    mean: float
    median: float
    p95: float
    p99: float


class SeriesPoint(msgspec.Struct):
    """The requests that started from `time` on, for as long as the bucket. Times in ms."""

    time: str
    requests: int
    errors: int
    latency_ms: PointSpread
    ttft_ms: PointSpread
    tokens_per_second: PointSpread
    queue_wait_ms: float
    prompt_tokens: int
    completion_tokens: int
    cost: float


class SeriesGroup(msgspec.Struct):
    """Those of one value, or, where `is_other`, of all values that are not told by themselves. Points without requests
    are left out."""

    value: str
    is_other: bool
    points: list[SeriesPoint]


class Series(msgspec.Struct, rename={"from_": "from"}):
    """How it went from one bucket to the next."""

    from_: str
    to: str
    bucket: str
    """As asked, or longer where the beginning is not kept so finely any more."""
    group_by: str | None
    percentiles: str
    total: list[SeriesPoint]
    groups: list[SeriesGroup]


class ValueCount(msgspec.Struct):
    """A value, and how many requests had it."""

    value: str
    requests: int


class Values(msgspec.Struct):
    """What there is to tell requests apart by, the most frequent first; of each at most 1,000. Keys and users are null
    for who does not see them."""

    models: list[ValueCount]
    replicas: list[ValueCount]
    keys: list[ValueCount] | None
    users: list[ValueCount] | None


SCHEMAS: Final = (
    Summary, Spread, ThroughputStats, ModelFigures, Performance, ModelPerformance, ModelsCompared, PointSpread,
    SeriesPoint, SeriesGroup, Series, ValueCount, Values,
)  # fmt: skip
