"""When a rule's condition holds, and what is said then."""

import pytest

from remuda.core.alert import AlertMetric, AlertOperator, AlertRule, event_of, message_of


def a_rule(**fields) -> AlertRule:
    values = {
        "id": 1,
        "name": "High Latency Alert",
        "metric": AlertMetric.LATENCY,
        "threshold": 5000.0,
        "operator": AlertOperator.GT,
        "created_at": 0.0,
        "cooldown_s": 300.0,
    }
    return AlertRule(**values | fields)


@pytest.mark.parametrize(
    ("operator", "value", "is_met"),
    [
        ("gt", 5000.0, False),
        ("gt", 5000.1, True),
        ("lt", 5000.0, False),
        ("lt", 4999.9, True),
        ("eq", 5000.0, True),
        ("eq", 5000.0001, False),
    ],
)
def test_operators(operator, value, is_met):
    assert a_rule(operator=AlertOperator(operator)).is_met_by(value) is is_met


def test_the_documents_own_message():
    assert message_of(a_rule(), 6500) == "High Latency Alert: latency (6500.0) gt 5000.0"
    assert message_of(a_rule(threshold=10), 6500, "one/m").endswith("latency (6500.0) gt 10.0 [one/m]")


def test_an_event_tells_the_rule_as_it_was():
    event = event_of(a_rule(key_id="k"), 6500.123456, "", 12.0)
    assert (event.rule_id, event.rule_name, event.key_id, event.threshold) == (1, "High Latency Alert", "k", 5000.0)
    assert (event.metric_value, event.triggered_at, event.resolved_at) == (6500.123, 12.0, None)
    assert event.message == "High Latency Alert: latency (6500.123) gt 5000.0"


def test_muted():
    assert not a_rule().is_muted(0.0)
    assert a_rule(muted_until=10.0).is_muted(9.0)
    assert not a_rule(muted_until=10.0).is_muted(10.0)


def test_what_an_open_event_stands_for():
    assert a_rule().condition == a_rule(name="other", muted_until=1.0, channels=(), cooldown_s=1.0).condition
    assert a_rule().condition != a_rule(threshold=1.0).condition
    assert a_rule().condition != a_rule(is_active=False).condition
