"""Alerts as the document has them, and what is ours: fields beyond the document's are there only where they say more
than the default."""

from dataclasses import replace
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from remuda.core.alert import AlertEvent, AlertMetric, AlertOperator, AlertRule
from remuda.core.delivery import AlertDeliveryEntry, DeliveryState
from remuda.core.faults import InvalidRequest
from remuda.core.moments import iso_time
from remuda.dialects.observe.parts import MAX_SHOWN
from remuda.outbound.webhooks import shown_url


class AlertRuleShown(msgspec.Struct, kw_only=True):
    """A rule. Moments in UTC, times in seconds."""

    id: int
    name: str
    metric: str
    threshold: float
    operator: str
    is_active: bool
    created_at: str
    window_s: float | UnsetType = UNSET
    model: str | UnsetType = UNSET
    key_id: str | UnsetType = UNSET
    replica: str | UnsetType = UNSET
    cooldown_s: float | UnsetType = UNSET
    channels: tuple[str, ...] | UnsetType = UNSET
    muted_until: str | UnsetType = UNSET


class AlertRuleWrite(msgspec.Struct, kw_only=True):
    """What is sent of a rule. When a new one is made, and with PUT, the first four are needed; with PATCH none is."""

    name: str | UnsetType = UNSET
    metric: str | UnsetType = UNSET
    threshold: float | UnsetType = UNSET
    operator: str | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    window_s: float | UnsetType | None = UNSET
    """Null: each request by itself."""
    model: str | UnsetType | None = UNSET
    key_id: str | UnsetType | None = UNSET
    replica: str | UnsetType | None = UNSET
    cooldown_s: float | UnsetType = UNSET
    channels: tuple[str, ...] | UnsetType | None = UNSET
    """Null: all; empty: none."""


class AlertRuleCreated(msgspec.Struct):
    """The answer to a new rule."""

    id: int
    message: str = "Alert rule created successfully"


class AlertMute(msgspec.Struct):
    """For how long nobody is told; 0: somebody is again from now on."""

    minutes: float | None = None
    until: str | None = None
    """A moment, RFC 3339, in place of the minutes."""


class AlertDeliveryShown(msgspec.Struct, kw_only=True):
    """That somebody is told of an event, and how that went."""

    id: str
    """The header `webhook-id` of a webhook, the same in each attempt."""
    number: int
    """What `before` takes."""
    event_id: int | None
    """Null: a test."""
    rule_id: int
    type: str
    """`alert.fired`, `alert.resolved` or `alert.test`."""
    channel: str
    url: str
    """A webhook's without its query, or `mailto:` and the address."""
    state: str
    """`due`, `sending`, `delivered` or `given_up`."""
    attempts: int
    created_at: str
    last_attempt_at: str | None
    delivered_at: str | None
    next_attempt_at: str | None
    status: int | None
    """What was answered."""
    error: str | None


class AlertTested(msgspec.Struct):
    """Who is told of a test."""

    message: str
    deliveries: list[str]
    """Their ids in the log."""


class AlertMessage(msgspec.Struct):
    """The answer where there is nothing to show."""

    message: str


class AlertEventShown(msgspec.Struct, kw_only=True):
    """That a rule's condition held; open while `resolved_at` is null."""

    id: int
    rule_name: str
    metric_value: float
    threshold: float
    message: str
    triggered_at: str
    resolved_at: str | None
    subject: str | UnsetType = UNSET
    """The budget or replica that it is about."""


def rule_shown(rule: AlertRule, now: float, cooldown_s: float) -> AlertRuleShown:
    """`rule` at the moment `now`; `cooldown_s` is the default."""
    return AlertRuleShown(
        id=rule.id,
        name=rule.name,
        metric=rule.metric.value,
        threshold=rule.threshold,
        operator=rule.operator.value,
        is_active=rule.is_active,
        created_at=iso_time(rule.created_at),
        window_s=rule.window_s or UNSET,
        model=rule.model or UNSET,
        key_id=rule.key_id or UNSET,
        replica=rule.replica or UNSET,
        cooldown_s=UNSET if rule.cooldown_s == cooldown_s else rule.cooldown_s,
        channels=UNSET if rule.channels is None else rule.channels,
        muted_until=iso_time(rule.muted_until) if rule.muted_until is not None and rule.is_muted(now) else UNSET,
    )


def event_shown(event: AlertEvent) -> AlertEventShown:
    """`event` as the document has it."""
    return AlertEventShown(
        id=event.id,
        rule_name=event.rule_name,
        metric_value=event.metric_value,
        threshold=event.threshold,
        message=event.message,
        triggered_at=iso_time(event.triggered_at),
        resolved_at=None if event.resolved_at is None else iso_time(event.resolved_at),
        subject=event.subject or UNSET,
    )


def delivery_shown(entry: AlertDeliveryEntry) -> AlertDeliveryShown:
    """`entry`, as the log shows it."""
    return AlertDeliveryShown(
        id=entry.message_id,
        number=entry.seq,
        event_id=entry.event_id,
        rule_id=entry.rule_id,
        type=entry.type,
        channel=entry.channel,
        url=shown_url(entry.url),
        state=entry.state.value,
        attempts=entry.attempts,
        created_at=iso_time(entry.created_at),
        last_attempt_at=_iso(entry.sent_at),
        delivered_at=_iso(entry.delivered_at),
        next_attempt_at=iso_time(entry.due_at) if entry.state is DeliveryState.DUE else None,
        status=entry.status,
        error=entry.error or None,
    )


def _iso(moment: float | None) -> str | None:
    return None if moment is None else iso_time(moment)


def new_rule(sent: AlertRuleWrite, cooldown_s: float) -> AlertRule:
    """The rule that was sent whole; raises InvalidRequest."""
    for name in ("name", "metric", "threshold", "operator"):
        if getattr(sent, name) is UNSET:
            raise InvalidRequest(f"the request is missing the required parameter '{name}'", parameter=name)
    blank = AlertRule(0, "", AlertMetric.LATENCY, 0.0, AlertOperator.GT, 0.0, cooldown_s)
    return changed_rule(blank, sent)


def changed_rule(rule: AlertRule, sent: AlertRuleWrite) -> AlertRule:
    """`rule` with what was sent of it; raises InvalidRequest."""
    said: dict[str, Any] = {
        name: value for name in AlertRuleWrite.__struct_fields__ if (value := getattr(sent, name)) is not UNSET
    }
    for name in ("model", "key_id", "replica"):
        if name in said:
            said[name] = said[name] or ""
    if "metric" in said:
        said["metric"] = _choice(AlertMetric, "metric", said["metric"])
    if "operator" in said:
        said["operator"] = _choice(AlertOperator, "operator", said["operator"])
    return replace(rule, **said)


Word = TypeVar("Word", AlertMetric, AlertOperator)


def _choice(words: type[Word], parameter: str, said: str) -> Word:
    try:
        return words(said)
    except ValueError:
        known = ", ".join(word.value for word in words)
        raise InvalidRequest(f"{parameter} is one of {known}", parameter=parameter, received=said[:MAX_SHOWN]) from None
