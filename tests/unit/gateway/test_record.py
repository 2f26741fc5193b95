from typing import Any, cast

import pytest

from remuda.core.ask import Ask, Operation
from remuda.core.faults import UpstreamFailed
from remuda.core.record import RequestRecord
from remuda.core.usage import Usage
from remuda.gateway.record import Recorder
from tests.unit.gateway.test_exchange import begun

ASK = Ask(Operation.CHAT, "m", False, False, 1, b'{"text":"\xff of a prompt"}')


def recorded(content_chars: int | None = 0, fault: Any = None) -> RequestRecord:
    records: list[RequestRecord] = []
    recorder = Recorder([records.append], lambda: 12.0, content_chars=content_chars)
    exchange, _ = begun()
    exchange.started, exchange.started_wall, exchange.bytes_in = 10.0, 1e9, 7
    with recorder.open(exchange) as entry:
        recorder.capture_prompt(entry, ASK)
        entry.status, entry.usage, entry.first_content_at = 200, Usage(1, 2, 0), 11.5
        if entry.text is not None:
            entry.text += ["an ", "answer"]
        if fault is not None:
            entry.failed(fault, 502)
    [record] = records
    return record


def test_times_count_from_the_requests_arrival() -> None:
    record = recorded()
    assert (record.ttft_s, record.duration_s, record.bytes_in, record.status) == (1.5, 2.0, 7, 200)
    assert (record.prompt_tokens, record.completion_tokens) == (1, 2)


def test_a_fault_is_recorded_with_what_was_said() -> None:
    record = recorded(fault=UpstreamFailed())
    assert (record.status, record.fault) == (502, "upstream_failed")


@pytest.mark.parametrize(("chars", "kept"), [(0, None), (4, "an a"), (None, "an answer")])
def test_text_is_kept_within_bounds(chars: int | None, kept: str | None) -> None:
    record = recorded(chars)
    assert record.answer_text == kept
    assert (record.prompt_text is None) is (kept is None)
    assert len(cast(str, record.prompt_text or "")) <= (chars if chars is not None else 100)


def test_the_record_is_made_whatever_happens() -> None:
    records: list[RequestRecord] = []
    with pytest.raises(KeyError), Recorder([records.append], lambda: 0.0).open(begun()[0]):
        raise KeyError
    assert len(records) == 1
