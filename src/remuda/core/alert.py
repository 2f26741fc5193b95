"""Alerts: what is watched, when that is too much or too little, and what is then said.

Source: document S3 (metrics latency, tokens_per_second and error_rate, operators, the message); the rest is ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import eq, gt, lt
from types import MappingProxyType
from typing import Final, NamedTuple

RECENT: Final = 10
"""Requests that a share is taken of where a rule has no window."""


class AlertMetric(StrEnum):
    """What a rule looks at."""

    LATENCY = "latency"
    """Milliseconds from a request's arrival to the end of its answer."""
    TOKENS_PER_SECOND = "tokens_per_second"
    """Tokens of the answer for each second of that; of answers that have any, and ended well."""
    ERROR_RATE = "error_rate"
    """Per cent of requests that failed."""
    TTFT = "ttft"
    """Milliseconds to the first content."""
    QUEUE_WAIT = "queue_wait"
    """Milliseconds of waiting for a free slot."""
    COST = "cost"
    """What requests cost, in the currency's unit: each one, or all of a window together."""
    TRUNCATION = "truncation"
    """Per cent of requests of whose prompt the engine saw less than was sent."""
    BUDGET = "budget"
    """Per cent of a budget that is used; the subject is its name."""
    REPLICA_DOWN = "replica_down"
    """Seconds for which a replica has taken no requests, 0 while it does; the subject is its id."""


class AlertOperator(StrEnum):
    """How the value compares to the threshold."""

    GT = "gt"
    LT = "lt"
    EQ = "eq"


COMPARISONS: Final[Mapping[AlertOperator, Callable[[float, float], bool]]] = MappingProxyType(
    {AlertOperator.GT: gt, AlertOperator.LT: lt, AlertOperator.EQ: eq}
)
SHARES: Final = frozenset({AlertMetric.ERROR_RATE, AlertMetric.TRUNCATION})
"""Metrics that are a share of several requests."""
OF_SUBJECTS: Final = frozenset({AlertMetric.BUDGET, AlertMetric.REPLICA_DOWN})
"""Metrics that no request has, but each budget and each replica."""


@dataclass(frozen=True, slots=True)
class AlertRule:
    """When somebody is to be told. Moments are wall clock, seconds since 1970."""

    id: int
    name: str
    metric: AlertMetric
    threshold: float
    operator: AlertOperator
    created_at: float
    cooldown_s: float
    """At least so much lies between two events of one subject."""
    is_active: bool = True
    window_s: float | None = None
    """The value is that of all requests of so many seconds; None: of each one, or of the last ten for shares."""
    model: str = ""
    """Only requests for this model count; empty: for any. So for the next two."""
    key_id: str = ""
    replica: str = ""
    channels: tuple[str, ...] | None = None
    """Who is told, by the names in the settings; None: all."""
    muted_until: float | None = None
    """Until then events are kept, and nobody is told."""

    def is_met_by(self, value: float) -> bool:
        """Whether the condition holds for `value`."""
        return COMPARISONS[self.operator](value, self.threshold)

    def is_muted(self, now: float) -> bool:
        """Whether nobody is told at the moment `now`."""
        return self.muted_until is not None and now < self.muted_until

    @property
    def condition(self) -> tuple[object, ...]:
        """What an open event stands for: where this changes, the event is over."""
        return (
            self.metric,
            self.operator,
            self.threshold,
            self.window_s,
            self.model,
            self.key_id,
            self.replica,
            self.is_active,
        )


class AlertEvent(NamedTuple):
    """That a rule's condition held, with the rule as it was then. Open until `resolved_at`."""

    id: int
    rule_id: int
    rule_name: str
    subject: str
    """The budget or replica; empty for metrics of requests."""
    key_id: str
    """The key whose requests alone the rule was about."""
    metric: AlertMetric
    operator: AlertOperator
    metric_value: float
    threshold: float
    message: str
    triggered_at: float
    resolved_at: float | None = None


def message_of(rule: AlertRule, value: float, subject: str = "") -> str:
    """`High Latency Alert: latency (6500.0) gt 5000.0`, and what it is about, where there are several."""
    said = f"{rule.name}: {rule.metric} ({float(value)}) {rule.operator} {float(rule.threshold)}"
    return f"{said} [{subject}]" if subject else said


def event_of(rule: AlertRule, value: float, subject: str, now: float) -> AlertEvent:
    """What is to be kept when the condition of `rule` holds for `value`; it has no id yet."""
    shown = round(value, 3)
    return AlertEvent(
        id=0,
        rule_id=rule.id,
        rule_name=rule.name,
        subject=subject,
        key_id=rule.key_id,
        metric=rule.metric,
        operator=rule.operator,
        metric_value=shown,
        threshold=rule.threshold,
        message=message_of(rule, shown, subject),
        triggered_at=now,
    )
