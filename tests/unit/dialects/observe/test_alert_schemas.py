"""Rules and events in the document's shape."""

from typing import Any

import msgspec
import pytest

from remuda.core.alert import AlertMetric, AlertOperator, event_of
from remuda.core.faults import InvalidRequest
from remuda.dialects.observe.alert_schemas import AlertRuleWrite, changed_rule, event_shown, new_rule, rule_shown
from tests.unit.core.test_alert import a_rule

AT = 1737108000.0


def write(**fields: Any) -> AlertRuleWrite:
    return msgspec.convert(fields, AlertRuleWrite)


WHOLE = {"name": "n", "metric": "ttft", "threshold": 3, "operator": "lt"}


def test_the_documents_own_rule():
    shown = rule_shown(a_rule(created_at=AT), AT, 300.0)
    assert msgspec.to_builtins(shown) == {
        "id": 1,
        "name": "High Latency Alert",
        "metric": "latency",
        "threshold": 5000.0,
        "operator": "gt",
        "is_active": True,
        "created_at": "2025-01-17T10:00:00Z",
    }


def test_what_is_ours_is_shown_where_it_says_more():
    rule = a_rule(window_s=60.0, model="m", key_id="k", replica="r", channels=(), muted_until=AT + 60, cooldown_s=9.0)
    shown = msgspec.to_builtins(rule_shown(rule, AT, 300.0))
    assert list(shown.items())[7:] == [
        ("window_s", 60.0),
        ("model", "m"),
        ("key_id", "k"),
        ("replica", "r"),
        ("cooldown_s", 9.0),
        ("channels", ()),
        ("muted_until", "2025-01-17T10:01:00Z"),
    ]
    assert "muted_until" not in msgspec.to_builtins(rule_shown(rule, AT + 60, 300.0))


def test_the_documents_own_event():
    event = event_of(a_rule(), 6500.0, "", AT)._replace(id=1)
    assert msgspec.to_builtins(event_shown(event)) == {
        "id": 1,
        "rule_name": "High Latency Alert",
        "metric_value": 6500.0,
        "threshold": 5000.0,
        "message": "High Latency Alert: latency (6500.0) gt 5000.0",
        "triggered_at": "2025-01-17T10:00:00Z",
        "resolved_at": None,
    }
    about = msgspec.to_builtins(event_shown(event._replace(subject="one/m", resolved_at=AT + 1)))
    assert (about["subject"], about["resolved_at"]) == ("one/m", "2025-01-17T10:00:01Z")


def test_a_new_rule():
    rule = new_rule(write(**WHOLE), 60.0)
    assert (rule.metric, rule.operator, rule.threshold) == (AlertMetric.TTFT, AlertOperator.LT, 3.0)
    assert (rule.is_active, rule.cooldown_s, rule.channels, rule.model) == (True, 60.0, None, "")
    assert new_rule(write(**WHOLE, is_active=False, model=None, channels=["ops"]), 60.0).channels == ("ops",)


def test_some_of_a_rule():
    rule = changed_rule(a_rule(window_s=60.0, model="m"), write(window_s=None, model=None, threshold=1))
    assert (rule.window_s, rule.model, rule.threshold, rule.name) == (None, "", 1.0, "High Latency Alert")


@pytest.mark.parametrize("missing", WHOLE)
def test_what_is_missing(missing: str):
    with pytest.raises(InvalidRequest, match=f"'{missing}'") as refused:
        new_rule(write(**{name: value for name, value in WHOLE.items() if name != missing}), 60.0)
    assert refused.value.parameter == missing


@pytest.mark.parametrize(("name", "said"), [("metric", "speed"), ("operator", "ge"), ("metric", "")])
def test_words_that_are_not_known(name: str, said: str):
    with pytest.raises(InvalidRequest, match=f"{name} is one of ") as refused:
        new_rule(write(**WHOLE | {name: said}), 60.0)
    assert refused.value.parameter == name
