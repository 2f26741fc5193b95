"""The document's five rules, each at its threshold."""

import pytest

from remuda.insight.document_rules import (
    DOCUMENT_RULES,
    high_latency,
    high_temperature,
    low_score,
    many_tokens,
    slow_first_token,
)
from tests.unit.insight.fact_samples import facts, traffic


def test_no_traffic_no_suggestion():
    assert [draft for rule in DOCUMENT_RULES for draft in rule(facts())] == []


def test_all_well_no_suggestion():
    well = facts(traffic(temperatures=100, temperature=70.0, streams=100, ttft_s=20.0, prompt_tokens=5000))
    assert [draft for rule in DOCUMENT_RULES for draft in rule(well)] == []


def test_high_latency():
    assert high_latency(facts(traffic(latency_s=250.0), slow=(30, 150.0))) == []
    [draft] = high_latency(facts(traffic(latency_s=250.0), slow=(45, 200.0)))
    assert (draft.suggestion_type, draft.model_name, draft.title) == ("performance", "general", "High Latency Detected")
    assert draft.description == (
        "Average latency is 2500ms with 45 requests exceeding 150% of average. "
        "Consider optimizing model parameters or upgrading hardware."
    )
    assert (draft.priority, draft.potential_improvement) == ("high", "25-40% latency reduction")
    assert draft.expected_gain is not None
    assert (draft.expected_gain.now, draft.expected_gain.then) == (2500.0, pytest.approx(50_000 / 55))
    assert draft.evidence["slow_share"] == 0.45


def test_high_temperature():
    assert high_temperature(facts(traffic(temperatures=10, temperature=8.0))) == []
    [draft] = high_temperature(facts(traffic("hot", temperatures=10, temperature=9.0), traffic("cool")))
    assert (draft.suggestion_type, draft.model_name) == ("parameter", "hot")
    assert (draft.title, draft.priority) == ("High Temperature Setting", "medium")
    assert draft.potential_improvement == "10-20% consistency improvement"
    # How alike answers are is not measured.
    assert draft.expected_gain is None
    assert draft.evidence["mean_temperature"] == 0.9


def test_low_score():
    assert low_score(facts(traffic(score=70.0))) == []
    [draft] = low_score(facts(traffic("bad", score=40.0, failed=50), traffic("good", score=95.0)))
    assert (draft.model_name, draft.title, draft.priority) == ("bad", "Low Performance Score", "high")
    assert draft.potential_improvement == "30-50% performance boost"
    assert draft.expected_gain is not None
    assert (draft.expected_gain.now, draft.expected_gain.then) == (0.4, 0.95)
    assert "good" in draft.expected_gain.assumes
    # Of one model alone the numbers tell no more.
    [draft] = low_score(facts(traffic("bad", score=40.0)))
    assert draft.expected_gain is None


def test_a_name_that_nobody_serves_is_no_model():
    assert low_score(facts(traffic("typo", "", failed=100, score=0.0))) == []


def test_slow_first_token():
    assert slow_first_token(facts(traffic(streams=10, ttft_s=10.0))) == []
    [draft] = slow_first_token(
        facts(traffic(replica="slow", streams=10, ttft_s=30.0), traffic(replica="quick", streams=10, ttft_s=5.0))
    )
    assert (draft.suggestion_type, draft.model_name) == ("hardware", "general")
    assert (draft.title, draft.priority) == ("Slow Time to First Token", "medium")
    assert draft.potential_improvement == "50-70% TTFT improvement"
    assert draft.expected_gain is not None
    assert (draft.expected_gain.now, draft.expected_gain.then) == (1750.0, 500.0)
    [draft] = slow_first_token(facts(traffic(streams=10, ttft_s=30.0)))
    assert draft.expected_gain is None


def test_many_tokens():
    assert many_tokens(facts(traffic(long=40, prompt_tokens=50_000, excess_tokens=1000))) == []
    long = {"long": 41, "prompt_tokens": 50_000, "completion_tokens": 50_000, "excess_tokens": 25_000}
    [draft] = many_tokens(facts(traffic(**long)))
    assert (draft.suggestion_type, draft.model_name) == ("parameter", "general")
    assert (draft.title, draft.priority) == ("High Token Usage", "medium")
    assert draft.potential_improvement == "20-30% cost reduction"
    assert draft.expected_gain is not None
    assert (draft.expected_gain.figure, draft.expected_gain.now, draft.expected_gain.then) == (
        "tokens",
        100_000,
        75_000,
    )
    [draft] = many_tokens(facts(traffic(**long, cost_nano=2 * 10**9)))
    assert draft.expected_gain is not None
    assert (draft.expected_gain.figure, draft.expected_gain.now, draft.expected_gain.then) == ("cost", 2.0, 1.5)
