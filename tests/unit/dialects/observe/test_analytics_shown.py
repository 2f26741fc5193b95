"""What requests came to, in the document's shapes."""

import msgspec
import pytest

from remuda.core.tally import SKETCHED, Tally, one_of
from remuda.dialects.observe.analytics_shown import models_shown, performance_shown, series_shown, width_shown
from remuda.store.rollup_reading import Answer, Sum
from tests.contract.store.samples import a_record


def summed(*records, score: float = 0.5) -> Sum:
    quantiles = {name: [1_000_000.0, 2_000_000.0, 3_000_000.0] for name in SKETCHED}
    return Sum(Tally.of([one_of(record, score) for record in records]), quantiles)


GOOD = a_record(duration_s=2.0, completion_tokens=50, ttft_s=0.5, cost_nano=1_500_000_000)
BAD = a_record(duration_s=1.0, completion_tokens=0, ttft_s=None, status=502, is_streamed=False)


def test_performance_has_the_documents_fields():
    answer = Answer({0: summed(GOOD, BAD)}, {"m": {0: summed(GOOD)}, "": {0: summed(BAD)}}, None, False)
    shown = msgspec.to_builtins(performance_shown(answer, 0.0, 3600.0))
    assert shown["summary"].items() >= {
        "total_requests": 2, "success_rate": 50.0, "streaming_requests": 1, "avg_performance_score": 0.5,
        "total_cost": 1.5, "energy_joules": None,
    }.items()  # fmt: skip
    assert shown["latency_stats"] == {
        "mean": 1500.0, "median": 1000.0, "p95": 2000.0, "p99": 3000.0, "min": 1000.0, "max": 2000.0,
    }  # fmt: skip
    assert shown["throughput_stats"].items() >= {
        "mean_tokens_per_sec": 25.0, "max_tokens_per_sec": 25.0, "min_tokens_per_sec": 25.0,
    }.items()  # fmt: skip
    assert list(shown["model_performance"]) == ["m"]
    assert shown["model_performance"]["m"].items() >= {
        "request_count": 1, "avg_latency": 2000.0, "avg_performance_score": 0.5, "error_rate": 0.0,
    }.items()  # fmt: skip
    assert (shown["from"], shown["to"], shown["percentiles"]) == (
        "1970-01-01T00:00:00Z", "1970-01-01T01:00:00Z", "approximate",
    )  # fmt: skip


def test_the_best_model_comes_first():
    answer = Answer({}, {"slow": {0: summed(GOOD, score=0.2)}, "quick": {0: summed(GOOD, score=0.9)}}, None, True)
    shown = models_shown(answer, 24.0)
    assert [model.model_name for model in shown.models] == ["quick", "slow"]
    assert (shown.recommendation, shown.time_period_hours) == ("quick", 24)
    assert models_shown(Answer({}, {}, None, True), 1.5).time_period_hours == 1.5


def test_a_series_tells_every_point_of_the_whole():
    answer = Answer({600: summed(GOOD)}, {"m": {600: summed(GOOD)}, None: {600: summed(BAD)}}, 300, True)
    shown = series_shown(answer, "model", 301.0, 1200.0)
    assert [point.requests for point in shown.total] == [0, 1, 0]
    assert [(group.value, group.is_other) for group in shown.groups] == [("m", False), ("other", True)]
    assert (shown.bucket, shown.group_by, shown.total[0].time) == ("5m", "model", "1970-01-01T00:05:00Z")
    point = shown.groups[0].points[0]
    assert (point.latency_ms.mean, point.ttft_ms.p95, point.cost) == (2000.0, 2000.0, 1.5)
    assert shown.groups[1].points[0].tokens_per_second.mean == 0.0


@pytest.mark.parametrize(("width_s", "said"), [(60, "1m"), (5400, "90m"), (7200, "2h"), (86_400, "1d")])
def test_widths(width_s, said):
    assert width_shown(width_s) == said
