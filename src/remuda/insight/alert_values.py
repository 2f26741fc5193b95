"""What requests are worth to each metric of alerts.

Read column by column, and without calling a function for each request: every request is judged by every rule.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from remuda.core.alert import AlertMetric, AlertRule
from remuda.core.money import NANO
from remuda.core.record import RequestRecord

Records = Sequence[RequestRecord]


def values_of(metric: AlertMetric, records: Records) -> list[float]:
    """The values of those requests that have one, in their order."""
    return _READ[metric](records)


def is_meant(rule: AlertRule, record: RequestRecord) -> bool:
    """Whether the request is within the scope of the rule."""
    return (
        (not rule.model or rule.model == record.model)
        and (not rule.key_id or rule.key_id == record.key_id)
        and (not rule.replica or rule.replica == record.replica)
    )


def _latency(records: Records) -> list[float]:
    # What was refused at once took no time, and says nothing of how long answers take.
    return [r.duration_s * 1000 for r in records if r.attempts or r.queue_wait_s or not (r.fault or r.status >= 400)]


def _tokens_per_second(records: Records) -> list[float]:
    # Not of failures, nor of what generates nothing (embeddings, rankings, counts).
    return [
        r.completion_tokens / r.duration_s
        for r in records
        if r.completion_tokens > 0 and r.duration_s > 0 and not (r.fault or r.status >= 400)
    ]


def _failed(records: Records) -> list[float]:
    return [100.0 if r.fault or r.status >= 400 else 0.0 for r in records]


def _ttft(records: Records) -> list[float]:
    return [r.ttft_s * 1000 for r in records if r.ttft_s is not None]


def _queue_wait(records: Records) -> list[float]:
    return [r.queue_wait_s * 1000 for r in records if r.attempts or r.queue_wait_s]


def _cost(records: Records) -> list[float]:
    return [r.cost_nano / NANO for r in records]


def _truncated(records: Records) -> list[float]:
    return [100.0 if r.is_truncated else 0.0 for r in records if r.attempts]


_READ: Final[Mapping[AlertMetric, Callable[[Records], list[float]]]] = MappingProxyType(
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
