"""Every request leaves one record, whatever became of it."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from remuda.core.ask import Ask, Operation
from remuda.core.faults import QueueFull
from remuda.core.record import RequestRecord
from remuda.core.usage import Usage
from remuda.gateway.exchange import Exchange
from remuda.gateway.record import Recorder
from remuda.testing.clock import FakeClock

ASK = Ask(Operation.CHAT, "m", False, False, 1, '{"prompt": "größer"}'.encode())


def exchange(clock: FakeClock, operation: Operation | None = Operation.CHAT) -> Exchange:
    route = SimpleNamespace(face=SimpleNamespace(name="openai"), operation=operation)
    came = SimpleNamespace(
        id="req_1", route=route, started=clock.monotonic(), started_wall=clock.wall(), bytes_in=10, bytes_out=20
    )
    return cast(Exchange, came)


def recorder(clock: FakeClock, **fields: Any) -> tuple[Recorder, list[RequestRecord]]:
    kept: list[RequestRecord] = []
    return Recorder([kept.append], clock.monotonic, **fields), kept


async def test_what_went_well():
    clock = FakeClock()
    recording, kept = recorder(clock)
    with recording.open(exchange(clock)) as entry:
        entry.model, entry.replica, entry.caller_id, entry.status, entry.attempts = "m", "one/m", "key_1", 200, 1
        await clock.advance(0.5)
        entry.first_content_at = clock.monotonic()
        await clock.advance(1.5)
        entry.usage, entry.finish_reason = Usage(9, 2, 4), "stop"
    [record] = kept
    assert (record.ttft_s, record.duration_s) == (0.5, 2.0)
    assert (record.prompt_tokens, record.completion_tokens, record.cached_tokens) == (9, 2, 4)
    assert (record.id, record.dialect, record.operation, record.fault) == ("req_1", "openai", "chat", "")
    assert (record.prompt_text, record.answer_text) == (None, None)


def test_what_was_refused_is_kept_too():
    clock = FakeClock()
    recording, kept = recorder(clock)
    with recording.open(exchange(clock, operation=None)) as entry:
        entry.failed(QueueFull(), 503)
    [record] = kept
    assert (record.status, record.fault, record.operation, record.ttft_s) == (503, "queue_full", "", None)


@pytest.mark.parametrize("error", [asyncio.CancelledError, RuntimeError])
def test_an_exception_that_passes_leaves_its_record(error: type[BaseException]):
    clock = FakeClock()
    recording, kept = recorder(clock)
    with pytest.raises(error), recording.open(exchange(clock)):
        raise error
    assert len(kept) == 1


@pytest.mark.parametrize(
    ("chars", "prompt", "answer"), [(0, None, None), (5, '{"pro', "abcde"), (None, None, "abcdefg")]
)
def test_text_is_kept_as_far_as_it_may(chars: int | None, prompt: str | None, answer: str | None):
    clock = FakeClock()
    recording, kept = recorder(clock, content_chars=chars)
    with recording.open(exchange(clock)) as entry:
        recording.capture_prompt(entry, ASK)
        if entry.text is not None:
            entry.text += ["abc", "defg"]
    [record] = kept
    assert record.prompt_text == (ASK.body.decode() if chars is None else prompt)
    assert record.answer_text == answer
