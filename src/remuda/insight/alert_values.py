"""What requests are worth to each metric of alerts.

Read column by column, and without calling a function for each request: every request is judged by every rule.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from operator import truediv
from types import MappingProxyType
from typing import Any, Final

from remuda.core.alert import AlertMetric, AlertRule
from remuda.core.model_names import plain_model
from remuda.core.money import NANO
from remuda.core.record import RequestRecord

Columns = Any
"""What `core.record.columns_of` makes of records."""


def values_of(metric: AlertMetric, columns: Columns) -> Sequence[float]:
    """The values of those requests that have one, in their order."""
    return _READ[metric](columns)


def is_meant(rule: AlertRule, record: RequestRecord) -> bool:
    """Whether the request is within the scope of the rule."""
    return (
        (not rule.model or plain_model(rule.model) == plain_model(record.model))
        and (not rule.key_id or rule.key_id == record.key_id)
        and (not rule.replica or rule.replica == record.replica)
    )


def _failures(told: Columns) -> Sequence[bool]:
    if not any(told.fault) and max(told.status) < 400:  # as nearly always
        return (False,) * len(told.fault)
    return [bool(fault) or status >= 400 for fault, status in zip(told.fault, told.status, strict=True)]


def _latency(told: Columns) -> Sequence[float]:
    values = [seconds * 1000 for seconds in told.duration_s]
    if all(told.attempts):
        return values
    # What was refused at once took no time, and says nothing of how long answers take.
    counts = zip(told.attempts, told.queue_wait_s, _failures(told), strict=True)
    return list(compress(values, [attempts or wait or not failed for attempts, wait, failed in counts]))


def _tokens_per_second(told: Columns) -> Sequence[float]:
    tokens, durations = told.completion_tokens, told.duration_s
    # Not of failures, nor of what generates nothing (embeddings, rankings, counts).
    if min(tokens) > 0 and min(durations) > 0 and not any(_failures(told)):
        return list(map(truediv, tokens, durations))
    rows = zip(tokens, durations, _failures(told), strict=True)
    return [count / seconds for count, seconds, failed in rows if count > 0 and seconds > 0 and not failed]


def _failed(told: Columns) -> Sequence[float]:
    return [100.0 if failed else 0.0 for failed in _failures(told)]


def _ttft(told: Columns) -> Sequence[float]:
    return [seconds * 1000 for seconds in told.ttft_s if seconds is not None]


def _queue_wait(told: Columns) -> Sequence[float]:
    rows = zip(told.attempts, told.queue_wait_s, strict=True)
    return [seconds * 1000 for attempts, seconds in rows if attempts or seconds]


def _cost(told: Columns) -> Sequence[float]:
    return [nano / NANO for nano in told.cost_nano]


def _truncated(told: Columns) -> Sequence[float]:
    return [100.0 if flag else 0.0 for flag in compress(told.is_truncated, told.attempts)]


_READ: Final[Mapping[AlertMetric, Callable[[Columns], Sequence[float]]]] = MappingProxyType(
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
