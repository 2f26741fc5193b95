"""What is kept together with records."""

from remuda.app.insights import bare_parts, ledger_of
from remuda.app.settings import InsightSettings, Settings
from remuda.testing.clock import FakeClock
from tests.contract.store.samples import a_record


def test_records_are_scored_by_the_targets_that_are_set():
    record = a_record(ttft_s=0.5, duration_s=1.0, completion_tokens=20)
    assert ledger_of(Settings(), FakeClock()).score(record) == 0.85
    settings = Settings(insight=InsightSettings(score_latency_ms=500, score_tokens_per_second=40))
    assert ledger_of(settings, FakeClock()).score(record) == 0.2


def test_without_anything_behind_it_there_is_something_to_describe():
    assert bare_parts()
