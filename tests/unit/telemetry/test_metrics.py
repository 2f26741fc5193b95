"""Counting: what a record adds, under which labels, and what the page says."""

import math
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from remuda.core.record import RequestRecord
from remuda.telemetry import catalogue, catalogue_tasks
from remuda.telemetry.catalogue import CATALOGUE, Kind, Source
from remuda.telemetry.metrics import LABEL_CHARS, PENDING, Metrics

RECORD = RequestRecord(
    id="req_1",
    started_at=1_700_000_000.0,
    dialect="openai",
    operation="chat",
    model="llama",
    replica="box-1",
    key_id="key_1",
    status=200,
    fault="",
    is_streamed=True,
    attempts=1,
    queue_wait_s=0.02,
    ttft_s=0.2,
    duration_s=1.2,
    prompt_tokens=10,
    completion_tokens=11,
    cached_tokens=4,
    tokens_estimated=False,
    bytes_in=500,
    bytes_out=900,
    finish_reason="stop",
)


def metrics(**options) -> Metrics:
    return Metrics("1.2.3", with_process=False, **options)


def values(page: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def value(page: bytes, name: str, **labels: str) -> float | None:
    return values(page).get((name, tuple(sorted(labels.items()))))


def observed(*records: RequestRecord, **options) -> bytes:
    counted = metrics(**options)
    for record in records:
        counted.observe(record)
    return counted.render()


def test_one_request_is_counted_everywhere() -> None:
    page = observed(RECORD)
    assert (
        value(
            page,
            "remuda_requests_total",
            dialect="openai",
            operation="chat",
            model="llama",
            replica="box-1",
            status_class="2xx",
        )
        == 1
    )
    assert value(page, "remuda_attempts_total", replica="box-1") == 1
    assert value(page, "remuda_prompt_tokens_total", model="llama") == 10
    assert value(page, "remuda_completion_tokens_total", model="llama") == 11
    assert value(page, "remuda_cached_tokens_total", model="llama") == 4
    assert value(page, "remuda_request_duration_seconds_sum", model="llama", operation="chat") == 1.2
    assert value(page, "remuda_time_to_first_token_seconds_sum", model="llama") == 0.2
    assert value(page, "remuda_time_per_output_token_seconds_sum", model="llama") == 0.1
    assert value(page, "remuda_queue_wait_seconds_sum", model="llama") == 0.02
    assert value(page, "remuda_build_info", version="1.2.3") == 1


def test_buckets_are_cumulative_and_hold_their_bound() -> None:
    page = observed(*(RECORD._replace(duration_s=seconds) for seconds in (0.005, 0.0051, 0.01, 599.0, 601.0)))
    bucket = {
        bound: value(page, "remuda_request_duration_seconds_bucket", model="llama", operation="chat", le=bound)
        for bound in ("0.005", "0.01", "0.025", "600.0", "+Inf")
    }
    assert bucket == {"0.005": 1, "0.01": 3, "0.025": 3, "600.0": 4, "+Inf": 5}


def test_a_refused_request_waited_for_nothing() -> None:
    refused = RECORD._replace(
        model="", replica="", status=401, fault="invalid_api_key", attempts=0, queue_wait_s=0.0, ttft_s=None
    )
    page = observed(refused)
    assert value(page, "remuda_request_faults_total", code="invalid_api_key") == 1
    assert (
        value(
            page,
            "remuda_requests_total",
            dialect="openai",
            operation="chat",
            model="none",
            replica="none",
            status_class="4xx",
        )
        == 1
    )
    assert b"remuda_queue_wait_seconds_count" not in page
    assert b"remuda_attempts_total{" not in page


def test_a_request_that_gave_up_waiting_did_wait() -> None:
    page = observed(RECORD._replace(replica="", status=504, fault="queue_timeout", attempts=0, queue_wait_s=60.0))
    assert value(page, "remuda_queue_wait_seconds_sum", model="llama") == 60


def test_a_client_that_left() -> None:
    page = observed(RECORD._replace(status=499, fault="client_gone"))
    assert value(page, "remuda_client_gone_total", dialect="openai") == 1
    assert b"remuda_time_per_output_token_seconds_count" not in page


def test_an_unary_answer_has_no_first_token() -> None:
    page = observed(RECORD._replace(is_streamed=False))
    assert b"remuda_time_to_first_token_seconds_count" not in page
    assert b"remuda_time_per_output_token_seconds_count" not in page


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf, 1e300])
def test_what_is_no_time_is_not_counted(seconds: float) -> None:
    page = observed(RECORD._replace(is_streamed=False, duration_s=seconds, queue_wait_s=seconds))
    assert b"_seconds_count{" not in page
    assert value(page, "remuda_prompt_tokens_total", model="llama") == 10


def test_a_first_token_at_no_time_is_not_counted() -> None:
    page = observed(RECORD._replace(ttft_s=math.nan))
    assert b"remuda_time_to_first_token_seconds_count{" not in page
    assert b"remuda_time_per_output_token_seconds_count{" not in page


def test_times_and_tokens_below_zero_count_as_zero() -> None:
    page = observed(RECORD._replace(duration_s=-1.0, prompt_tokens=-5, completion_tokens=-1, cached_tokens=-1))
    assert value(page, "remuda_request_duration_seconds_sum", model="llama", operation="chat") == 0
    assert b"tokens_total{" not in page


@pytest.mark.parametrize(
    ("status", "expected"), [(200, "2xx"), (404, "4xx"), (503, "5xx"), (0, "other"), (999, "other")]
)
def test_status_classes(status: int, expected: str) -> None:
    assert f'status_class="{expected}"'.encode() in observed(RECORD._replace(status=status))


def test_hooks() -> None:
    counted = metrics()
    counted.observe_abort(0.004)
    counted.observe_idle(0.3)
    counted.observe_idle(math.nan)
    page = counted.render()
    assert value(page, "remuda_upstream_abort_seconds_bucket", le="0.005") == 1
    assert value(page, "remuda_engine_idle_wait_seconds_count") == 1


def test_names_that_are_not_known_share_one_label() -> None:
    gone = RECORD._replace(model="no such", replica="", status=404, fault="model_not_found", attempts=0)
    limited = gone._replace(model="also none", status=429, fault="rate_limit_exceeded")
    page = observed(RECORD, gone, limited, is_known_model=lambda name: name == "llama")
    assert {dict(labels)["model"] for (_, labels) in values(page) if "model" in dict(labels)} == {"llama", "unknown"}


def test_a_name_that_a_server_answered_to_is_known() -> None:
    assert b'model="llama"' in observed(RECORD, is_known_model=lambda name: False)


def test_a_name_may_become_known() -> None:
    known: set[str] = set()
    counted = metrics(is_known_model=known.__contains__)
    late = RECORD._replace(status=503, fault="unavailable", attempts=0, replica="")
    counted.observe(late)
    counted.fold()
    known.add("llama")
    counted.observe(late)
    page = counted.render()
    assert value(page, "remuda_request_duration_seconds_count", model="unknown", operation="chat") == 1
    assert value(page, "remuda_request_duration_seconds_count", model="llama", operation="chat") == 1


def test_labels_are_bounded() -> None:
    page = observed(
        *(RECORD._replace(model=f"m{n}", replica=f"r{n}", fault=f"f{n}", dialect=f"d{n}") for n in range(300)),
        label_values=20,
    )
    for label, limit in {"model": 20, "replica": 20, "code": 100, "dialect": 100}.items():
        seen = {dict(labels)[label] for (_, labels) in values(page) if label in dict(labels)}
        assert len(seen) == limit + 1
        assert "other" in seen
    assert sum(count for (name, _), count in values(page).items() if name == "remuda_requests_total") == 300


def test_series_of_both_labels_are_bounded() -> None:
    records = [RECORD._replace(model=f"m{a}", replica=f"r{b}") for a in range(20) for b in range(20)]
    counts = {
        labels: count
        for (name, labels), count in values(observed(*records, request_series=30)).items()
        if name == "remuda_requests_total"
    }
    assert len(counts) == 31
    assert sum(counts.values()) == 400


def test_what_a_client_calls_a_model_cannot_break_the_page_or_carry_a_key() -> None:
    names = ['a"b\\c\nd\re', "\ud800", "\u2028x", "x" * 5_000, "rmd_" + "k" * 32, "\x00"]
    page = observed(*(RECORD._replace(model=name) for name in names))
    seen = {dict(labels)["model"] for (_, labels) in values(page) if "model" in dict(labels)}
    assert all(len(name) <= LABEL_CHARS for name in seen)
    assert b"kkkkkk" not in page
    assert 'a"b\\c?d?e' in seen


def test_memory_is_bounded_without_any_scrape() -> None:
    counted = metrics()
    for n in range(10 * PENDING + 3):
        counted.observe(RECORD._replace(model=f"m{n}"))
        assert len(counted._pending) < PENDING
    assert len(counted._places) <= 4_096


def test_captured_text_is_let_go_at_once() -> None:
    counted = metrics()
    counted.observe(RECORD._replace(prompt_text="p" * 1000, answer_text="a"))
    assert not counted._pending


RECORDS = st.builds(
    lambda model, replica, status, fault, streamed, attempts, wait, ttft, duration, tokens: RECORD._replace(
        model=model,
        replica=replica,
        status=status,
        fault=fault,
        is_streamed=streamed,
        attempts=attempts,
        queue_wait_s=wait,
        ttft_s=ttft,
        duration_s=duration,
        completion_tokens=tokens,
    ),
    st.sampled_from(["a", "b", "c", "d", "", 'q"\n']),
    st.sampled_from(["r1", "r2", "r3", ""]),
    st.sampled_from([200, 400, 404, 499, 503, 0]),
    st.sampled_from(["", "client_gone", "model_not_found", "queue_full"]),
    st.booleans(),
    st.integers(0, 3),
    st.floats(allow_nan=True),
    st.none() | st.floats(),
    st.floats(-1, 1000),
    st.integers(-1, 5000),
)


@settings(deadline=None)
@given(st.lists(st.lists(RECORDS, max_size=6), max_size=6))
def test_any_batches_give_the_same_page(batches: list[list[RequestRecord]]) -> None:
    one, many = metrics(label_values=3), metrics(label_values=3)
    for batch in batches:
        for record in batch:
            one.observe(record)
        many.observe_all(batch)
        many.fold()
    page = one.render()
    assert many.render() == page
    assert one.render() == page
    counts = [count for (name, _), count in values(page).items() if name == "remuda_requests_total"]
    assert sum(counts) == sum(map(len, batches))


def test_many_records_of_a_kind_are_counted_as_each_of_them() -> None:
    one, many = metrics(), metrics()
    for record in (
        RECORD._replace(is_streamed=False, ttft_s=0.1, duration_s=0.0, queue_wait_s=0.0),
        RECORD._replace(is_streamed=False, duration_s=2.0, queue_wait_s=0.0, completion_tokens=3),
        RECORD._replace(is_streamed=True, ttft_s=0.1, duration_s=1e5, completion_tokens=9),
        RECORD._replace(is_streamed=False, duration_s=math.nan),
        RECORD._replace(is_streamed=False, duration_s=-1.0, attempts=0),
    ):
        kind = [record._replace(model=f"m{record.duration_s}", duration_s=record.duration_s * n) for n in range(40)]
        for each in kind:
            one.observe(each)
            one.fold()
        many.observe_all(kind)
    assert many.render() == one.render()


def test_readings() -> None:
    counted = metrics()
    counted.attach(catalogue.SLOTS_IN_USE, lambda: [(("box-1",), 3), (("box-2",), 0)])
    counted.attach(catalogue.IN_FLIGHT, lambda: [((), 7)])
    counted.attach(catalogue.JOURNAL_DROPPED, lambda: [((), 2)])
    page = counted.render()
    assert value(page, "remuda_slots_in_use", replica="box-1") == 3
    assert value(page, "remuda_slots_in_use", replica="box-2") == 0
    assert value(page, "remuda_requests_in_flight") == 7
    assert value(page, "remuda_journal_dropped_records_total") == 2


def test_readings_beyond_the_bound_are_summed() -> None:
    counted = metrics(label_values=2)
    counted.attach(catalogue.QUEUE_DEPTH, lambda: [((f"m{n}", "normal"), 1) for n in range(10)])
    assert value(counted.render(), "remuda_queue_depth", model="other", priority="normal") == 8


def test_a_reading_that_fails_costs_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    counted = metrics()

    def broken() -> Iterable[tuple[tuple[str, ...], float]]:
        raise RuntimeError("no")

    counted.attach(catalogue.MODELS_LOADED, broken)
    counted.attach(catalogue.QUEUE_DEPTH, lambda: [(("a", "normal", "one label too many"), 1)])
    counted.attach(catalogue.IN_FLIGHT, lambda: [((), math.nan), ((), 1)])
    page = counted.render()
    assert value(page, "remuda_requests_in_flight") == 1
    assert "remuda_models_loaded could not be read" in caplog.text
    assert "remuda_queue_depth could not be read" in caplog.text


def test_only_readings_of_the_catalogue_are_taken_and_once() -> None:
    counted = metrics()
    with pytest.raises(ValueError, match="not among"):
        counted.attach("remuda_new_thing", list)
    with pytest.raises(ValueError, match="not among"):
        counted.attach(catalogue.REQUESTS, list)
    counted.attach(catalogue.IN_FLIGHT, list)
    with pytest.raises(ValueError, match="already"):
        counted.attach(catalogue.IN_FLIGHT, list)


def test_the_page_holds_the_catalogue_and_nothing_else() -> None:
    counted = Metrics("1", with_process=True)
    counted.observe(RECORD._replace(fault="client_gone", status=499))
    counted.observe(RECORD)
    counted.observe_abort(0.1)
    counted.observe_idle(0.1)
    for metric in catalogue_tasks.TASK_METRICS:
        if metric.source is Source.HOOK and metric.kind is Kind.COUNTER:
            counted.count(metric.name, *("x" for _ in metric.labels))
        elif metric.source is Source.HOOK:
            counted.measure(metric.name, 1.0, *("x" for _ in metric.labels))
    for name, metric in catalogue.by_source(Source.READING).items():
        counted.attach(name, lambda metric=metric: [(tuple("x" for _ in metric.labels), 1)])
    families = {family.name: family for family in text_string_to_metric_families(counted.render().decode())}
    rows = {metric.name.removesuffix("_total"): metric for metric in CATALOGUE}
    assert families.keys() <= rows.keys()
    assert {name for name, row in rows.items() if row.source is not Source.LIBRARY} <= families.keys()
    for name, family in families.items():
        row = rows[name]
        assert family.type == row.kind
        assert family.samples
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(row.labels)
        if row.source is not Source.LIBRARY:
            assert family.documentation == row.help


def test_two_pages_do_not_share_anything() -> None:
    first, second = Metrics("1"), Metrics("1")
    first.observe(RECORD)
    assert b"llama" in first.render()
    assert b"llama" not in second.render()


def test_the_catalogue_is_well_formed() -> None:
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)
    for metric in CATALOGUE:
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert metric.help.endswith(".")


def test_requests_to_ordinary_routes():
    counted = metrics()
    counted.observe_http("GET", "/status/{task_id}", 200, 0.02)
    counted.observe_http("BREW", "", 405, 0.02)
    counted.observe_http("GET", "/", 0, 0.02)
    page = counted.render()
    assert value(page, "http_requests_total", method="GET", endpoint="/status/{task_id}", status="200") == 1
    assert value(page, "http_requests_total", method="other", endpoint="none", status="405") == 1
    assert value(page, "http_request_duration_seconds_sum", method="GET", endpoint="/status/{task_id}") == 0.02
    assert value(page, "http_requests_total", method="GET", endpoint="/", status="0") is None


def test_labels_of_what_is_told_are_bounded():
    counted = metrics(label_values=2)
    for name in "abcd":
        counted.count(catalogue_tasks.TOKENS, name, by=2)
    page = counted.render()
    assert value(page, "tokens_generated_total", model="a") == 2
    assert value(page, "tokens_generated_total", model="other") == 4
