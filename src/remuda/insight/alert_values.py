"""What requests are worth to each metric of alerts."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from remuda.core.alert import AlertMetric, AlertRule
from remuda.core.record import RequestRecord
from remuda.core.score import has_failed, tokens_per_second

NANO: Final = 1_000_000_000


def values_of(metric: AlertMetric, records: Iterable[RequestRecord]) -> list[float]:
    """The values of those requests that have one, in their order."""
    read = _READ[metric]
    return [value for record in records if (value := read(record)) is not None]


def is_meant(rule: AlertRule, record: RequestRecord) -> bool:
    """Whether the request is within the scope of the rule."""
    return (
        (not rule.model or rule.model == record.model)
        and (not rule.key_id or rule.key_id == record.key_id)
        and (not rule.replica or rule.replica == record.replica)
    )


def _latency(record: RequestRecord) -> float | None:
    # What was refused at once took no time, and says nothing of how long answers take.
    is_refused = not record.attempts and not record.queue_wait_s and has_failed(record)
    return None if is_refused else record.duration_s * 1000


def _tokens_per_second(record: RequestRecord) -> float | None:
    # Not of failures, nor of what generates nothing (embeddings, rankings, counts).
    return tokens_per_second(record) if record.completion_tokens > 0 and not has_failed(record) else None


def _failed(record: RequestRecord) -> float:
    return 100.0 if has_failed(record) else 0.0


def _ttft(record: RequestRecord) -> float | None:
    return None if record.ttft_s is None else record.ttft_s * 1000


def _queue_wait(record: RequestRecord) -> float | None:
    return record.queue_wait_s * 1000 if record.attempts or record.queue_wait_s else None


def _cost(record: RequestRecord) -> float:
    return record.cost_nano / NANO


def _truncated(record: RequestRecord) -> float | None:
    return (100.0 if record.is_truncated else 0.0) if record.attempts else None


_READ: Final[Mapping[AlertMetric, Callable[[RequestRecord], float | None]]] = MappingProxyType(
    {
        AlertMetric.LATENCY: _latency,
        AlertMetric.TOKENS_PER_SECOND: _tokens_per_second,
        AlertMetric.ERROR_RATE: _failed,
        AlertMetric.TTFT: _ttft,
        AlertMetric.QUEUE_WAIT: _queue_wait,
        AlertMetric.COST: _cost,
        AlertMetric.TRUNCATION: _truncated,
    }
)
