from dataclasses import replace
from typing import Any

import pytest

from remuda.core.ask import Ask, Operation
from remuda.core.decision import Decision, decisions_in
from remuda.core.faults import UpstreamFailed
from remuda.core.record import RequestRecord
from remuda.core.usage import Usage
from remuda.gateway.fit import Fit
from remuda.gateway.record import BATCH, Recorder, each_to
from remuda.gateway.transcript import FULL_CHARS, Capture
from tests.unit.gateway.test_exchange import begun

ASK = Ask(Operation.CHAT, "m", False, False, 1, b'{"messages":[{"role":"user","content":"the start of a prompt"}]}')


def recorded(content_chars: int = 0, fault: Any = None) -> RequestRecord:
    records: list[RequestRecord] = []
    recorder = Recorder([records.extend], lambda: 12.0, capture=Capture(content_chars))
    exchange, _ = begun()
    exchange.started, exchange.started_wall, exchange.bytes_in = 10.0, 1e9, 7
    recorder.capture_prompt(exchange, ASK)
    exchange.status, exchange.usage, exchange.first_content_at = 200, Usage(1, 2, 0), 11.5
    if exchange.transcript is not None:
        exchange.transcript.append("an ")
        exchange.transcript.append("answer")
    if fault is not None:
        exchange.failed(fault, 502)
    recorder.close(exchange)
    recorder.flush()
    [record] = records
    return record


def test_times_count_from_the_requests_arrival() -> None:
    record = recorded()
    assert (record.ttft_s, record.duration_s, record.bytes_in, record.status) == (1.5, 2.0, 7, 200)
    assert (record.prompt_tokens, record.completion_tokens) == (1, 2)


def test_a_fault_is_recorded_with_what_was_said() -> None:
    record = recorded(fault=UpstreamFailed())
    assert (record.status, record.fault) == (502, "upstream_failed")


@pytest.mark.parametrize(("chars", "kept"), [(0, None), (4, "an a"), (FULL_CHARS, "an answer")])
def test_text_is_kept_within_bounds(chars: int, kept: str | None) -> None:
    record = recorded(chars)
    assert record.answer_text == kept
    assert (record.prompt_text is None) is (kept is None)
    assert record.prompt_text == {0: None, 4: "ompt", FULL_CHARS: "user: the start of a prompt"}[chars]


@pytest.mark.parametrize(
    ("capture", "is_logged", "kept"),
    [
        (Capture(), False, None),
        (Capture(), True, None),
        (Capture(logged_chars=6), False, None),
        (Capture(logged_chars=6), True, "prompt"),
        (Capture(2, 6), False, "pt"),
        (Capture(2, 6, {"k": 0}), True, None),
        (Capture(0, 0, {"k": 3}), False, "mpt"),
        (Capture(0, 0, {"other": 3}), False, None),
    ],
)
def test_whose_text_is_kept(capture: Capture, is_logged: bool, kept: str | None) -> None:
    recorder = Recorder([], lambda: 0.0, capture=capture)
    exchange, _ = begun()
    exchange.route = replace(exchange.route, is_logged=is_logged)
    exchange.caller_id = "k"
    if recorder.keeps_content or is_logged:
        recorder.capture_prompt(exchange, ASK)
    assert recorder.record_of(exchange).prompt_text == kept


def test_every_value_stands_in_its_field() -> None:
    records: list[RequestRecord] = []
    exchange, _ = begun()
    exchange.started, exchange.started_wall = 10.0, 1e9
    exchange.model, exchange.replica, exchange.caller_id = "m", "s/m", "k"
    exchange.is_streamed, exchange.attempts, exchange.queue_wait_s = True, 2, 0.5
    exchange.usage, exchange.finish_reason = Usage(1, 2, 3, True), "stop"
    exchange.bytes_in, exchange.bytes_out, exchange.status = 4, 5, 200
    exchange.first_content_at = 11.0
    recorder = Recorder([records.extend], lambda: 12.0)
    recorder.close(exchange)
    recorder.flush()
    assert records == [
        RequestRecord(
            id="req_1",
            started_at=1e9,
            dialect="openai",
            operation="chat",
            model="m",
            replica="s/m",
            key_id="k",
            status=200,
            fault="",
            is_streamed=True,
            attempts=2,
            queue_wait_s=0.5,
            ttft_s=1.0,
            duration_s=2.0,
            prompt_tokens=1,
            completion_tokens=2,
            cached_tokens=3,
            tokens_estimated=True,
            bytes_in=4,
            bytes_out=5,
            finish_reason="stop",
        )
    ]
    assert isinstance(records[0], RequestRecord)


def test_records_are_handed_on_together() -> None:
    batches: list[int] = []
    recorder = Recorder([lambda records: batches.append(len(records))], lambda: 0.0)
    for _ in range(BATCH + 3):
        recorder.close(begun()[0])
    assert batches == [BATCH]
    recorder.flush()
    recorder.flush()
    assert batches == [BATCH, 3]


def test_a_record_with_text_does_not_wait() -> None:
    batches: list[int] = []
    recorder = Recorder([lambda records: batches.append(len(records))], lambda: 0.0, capture=Capture(FULL_CHARS))
    exchange, _ = begun()
    recorder.capture_prompt(exchange, ASK)
    recorder.close(exchange)
    assert batches == [1]


@pytest.mark.parametrize(("tells_all", "told"), [(False, [500, 503]), (True, [200, 500, 404, 503])])
def test_who_watches_is_told_at_once(tells_all: bool, told: list[int]) -> None:
    seen: list[int] = []
    recorder = Recorder([], lambda: 0.0, tell=lambda record: seen.append(record.status), tells_all=tells_all)
    for status in (200, 500, 404, 503):
        exchange, _ = begun()
        exchange.status = status
        recorder.close(exchange)
    assert seen == told


def test_decisions_are_kept_as_text() -> None:
    records: list[RequestRecord] = []
    recorder = Recorder([records.extend], lambda: 0.0)
    decision = Decision(1, "weighted", "a/m", (("a/m", 0, 4),))
    for decisions in ((), (decision,), (), (decision, decision)):
        exchange, _ = begun()
        exchange.decisions = decisions
        recorder.close(exchange)
    recorder.flush()
    assert [len(decisions_in(record.decisions)) for record in records] == [0, 1, 0, 2]
    assert records[0].decisions is None


def test_a_sink_may_take_them_singly() -> None:
    taken: list[RequestRecord] = []
    recorder = Recorder([each_to(taken.append)], lambda: 0.0)
    for _ in range(3):
        recorder.close(begun()[0])
    recorder.flush()
    assert len(taken) == 3


@pytest.mark.parametrize(("fit", "is_truncated"), [(None, False), (Fit(9, 4, True), True), (Fit(3, 4, True), False)])
def test_a_prompt_that_was_too_long(fit: Fit | None, is_truncated: bool) -> None:
    exchange, _ = begun()
    exchange.fit = fit
    assert Recorder([], lambda: 0.0).record_of(exchange).is_truncated is is_truncated


def test_what_it_cost_is_asked_of_whoever_reckons() -> None:
    records: list[RequestRecord] = []
    exchange, _ = begun()
    exchange.started = 10.0
    recorder = Recorder([records.extend], lambda: 12.0)
    recorder.reckon = lambda over, duration_s: (7, 3, duration_s * 100 if over is exchange else None)
    recorder.close(exchange)
    recorder.flush()
    assert (records[0].cost_nano, records[0].electricity_nano, records[0].energy_j) == (7, 3, 200.0)
