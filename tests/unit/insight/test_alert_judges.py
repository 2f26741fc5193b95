"""Verdicts, of request after request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.alert import AlertMetric
from remuda.insight.alert_judges import SLICES, Verdict, judge_of
from tests.unit.core.test_alert import a_rule


def judged(rule, *values, now=0.0):
    judge = judge_of(rule, 0.0)
    assert judge is not None
    judge.take(values, now)
    return judge.verdict(now)


def test_each_request_by_itself():
    rule = a_rule(threshold=10.0)
    assert judged(rule) == Verdict(None, None)
    assert judged(rule, 5, 10) == Verdict(None, is_met=False)
    assert judged(rule, 5, 11, 12) == Verdict(11, is_met=True)
    assert judged(rule, 5, 11, 12, 1) == Verdict(11, is_met=False)


def test_a_hit_is_told_once_and_how_it_stands_again_and_again():
    judge = judge_of(a_rule(threshold=10.0), 0.0)
    judge.take([11], 0.0)
    assert judge.verdict(1.0) == Verdict(11, is_met=True)
    assert judge.verdict(2.0) == Verdict(None, is_met=True)


@given(st.lists(st.floats(0, 20), max_size=30), st.data())
def test_how_values_are_handed_over_makes_no_difference(values, data):
    rule, now = a_rule(metric=AlertMetric.ERROR_RATE, threshold=10.0), 0.0
    judge = judge_of(rule, now)
    left = list(values)
    while left:
        size = data.draw(st.integers(1, len(left)))
        judge.take(left[:size], now)
        left = left[size:]
    assert judge.verdict(now) == judged(rule, *values)


def test_a_share_of_the_last_ten():
    rule = a_rule(metric=AlertMetric.ERROR_RATE, threshold=10.0)
    assert judged(rule, *[0.0] * 9, 100.0) == Verdict(None, is_met=False)  # 10 is not more than 10
    assert judged(rule, *[0.0] * 9, 100.0, 100.0) == Verdict(20.0, is_met=True)
    assert judged(rule, 100.0, *[0.0] * 9) == Verdict(100.0, is_met=False)


@pytest.mark.parametrize(("metric", "value"), [("latency", 20.0), ("error_rate", 20.0), ("cost", 60.0)])
def test_a_window(metric, value):
    rule = a_rule(metric=AlertMetric(metric), window_s=60.0, threshold=1.0)
    assert judged(rule, 10.0, 20.0, 30.0) == Verdict(value, is_met=True)


def test_what_is_older_than_the_window_is_let_go_of():
    judge = judge_of(a_rule(window_s=60.0, threshold=10.0), 0.0)
    judge.take([100.0], 0.0)
    assert judge.verdict(59.0).is_met is True
    for second in range(60, 360):
        judge.take([1.0], float(second))
        assert judge.verdict(float(second)).is_met is False
    assert len(judge._slices) <= SLICES


def test_an_empty_window():
    judge = judge_of(a_rule(window_s=60.0), 1000.0)
    assert judge.verdict(1059.0).is_met is None  # what was open before we began may go on
    assert judge.verdict(1060.0).is_met is False


def test_nothing_of_requests():
    assert judge_of(a_rule(metric=AlertMetric.BUDGET), 0.0) is None
    assert judge_of(a_rule(metric=AlertMetric.REPLICA_DOWN), 0.0) is None
