"""What a request is worth to each metric."""

import pytest

from remuda.core.alert import AlertMetric
from remuda.core.record import columns_of
from remuda.insight.alert_values import is_meant, values_of
from tests.contract.store.samples import a_record
from tests.unit.core.test_alert import a_rule

WELL = a_record(duration_s=2.0, completion_tokens=50, ttft_s=0.5, queue_wait_s=0.25, cost_nano=1_500_000_000)
FAILED = WELL._replace(status=504, fault="upstream_timeout")
REFUSED = WELL._replace(status=401, fault="missing_api_key", attempts=0, queue_wait_s=0.0, ttft_s=None, cost_nano=0)
GAVE_UP = REFUSED._replace(status=504, fault="queue_timeout", queue_wait_s=9.0, duration_s=9.0)
EMBEDDED = WELL._replace(operation="embedding", completion_tokens=0, ttft_s=None, is_truncated=True)


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("latency", [2000.0, 2000.0, 9000.0, 2000.0]),
        ("tokens_per_second", [25.0]),
        ("error_rate", [0.0, 100.0, 100.0, 100.0, 0.0]),
        ("ttft", [500.0, 500.0]),
        ("queue_wait", [250.0, 250.0, 9000.0, 250.0]),
        ("cost", [1.5, 1.5, 0.0, 0.0, 1.5]),
        ("truncation", [0.0, 0.0, 100.0]),
    ],
)
def test_values(metric, values):
    assert list(values_of(AlertMetric(metric), columns_of([WELL, FAILED, REFUSED, GAVE_UP, EMBEDDED]))) == values


@pytest.mark.parametrize("metric", sorted(set(AlertMetric) - {AlertMetric.BUDGET, AlertMetric.REPLICA_DOWN}))
def test_each_request_by_itself_has_the_values_it_has_among_others(metric):
    records = [WELL, FAILED, REFUSED, GAVE_UP, EMBEDDED, WELL._replace(duration_s=0.0)]
    alone = [value for record in records for value in values_of(metric, columns_of([record]))]
    assert list(values_of(metric, columns_of(records))) == alone
    assert list(values_of(metric, columns_of([WELL, WELL]))) == 2 * list(values_of(metric, columns_of([WELL])))


def test_every_metric_of_requests_has_values():
    for metric in set(AlertMetric) - {AlertMetric.BUDGET, AlertMetric.REPLICA_DOWN}:
        assert len(values_of(metric, columns_of([WELL]))) == 1


def test_scope():
    record = a_record(model="m", key_id="k", replica="one/m")
    assert is_meant(a_rule(), record)
    assert is_meant(a_rule(model="m", key_id="k", replica="one/m"), record)
    assert is_meant(a_rule(model="m:latest"), record), "the same model by its other name"
    for other in ({"model": "n"}, {"key_id": "l"}, {"replica": "two/m"}):
        assert not is_meant(a_rule(**other), record)
