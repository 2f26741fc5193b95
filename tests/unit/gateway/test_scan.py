"""What a relayed stream lets through, whatever way its bytes are split over several reads."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.ask import Ask, Operation
from remuda.gateway.scan import StreamScan
from remuda.wire.sse import event_of

ROLE = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}, "finish_reason": None}]}
TEXT = {"choices": [{"index": 0, "delta": {"content": 'say "usage": 3'}, "finish_reason": None}]}
FINISH = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
PROGRESS = {"choices": [], "prompt_progress": {"total": 9, "processed": 4}}
DONE = b"data: [DONE]\n\n"


def event(chunk: dict[str, Any]) -> bytes:
    return event_of(json.dumps(chunk, separators=(",", ":")).encode())


def ask(*, wants_usage: bool, choices: int = 1) -> Ask:
    return Ask(Operation.CHAT, "m", True, wants_usage, choices, b"{}")


def scan(*, wants_usage: bool = False, text: list[str] | None = None, choices: int = 1) -> StreamScan:
    return StreamScan(ask(wants_usage=wants_usage, choices=choices), drops_progress=True, text=text)


def passed(through: StreamScan, *reads: bytes) -> bytes:
    return b"".join(through.feed(read) for read in reads) + through.rest()


CHUNKS = st.lists(st.sampled_from([ROLE, TEXT, PROGRESS, USAGE, FINISH]), max_size=8).map(
    lambda chunks: b"".join(map(event, chunks))
)


@given(CHUNKS, st.sampled_from([DONE, b"", b"data: half"]), st.lists(st.integers(0, 900), max_size=8), st.booleans())
def test_any_split_gives_the_same_bytes_and_facts(chunks: bytes, end: bytes, cuts: list[int], wants_usage: bool):
    stream = chunks + end
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    whole, pieces = scan(wants_usage=wants_usage), scan(wants_usage=wants_usage)
    assert passed(pieces, *(stream[a:b] for a, b in pairwise(places))) == passed(whole, stream)
    for fact in ("finish_reason", "is_complete", "saw_content", "saw_error"):
        assert getattr(pieces, fact) == getattr(whole, fact), fact
    if not whole.usage.is_estimated:
        assert pieces.usage == whole.usage


def test_what_the_client_did_not_ask_for_is_left_out():
    reads = [event(PROGRESS), event(ROLE), event(TEXT), event(FINISH), event(USAGE), DONE]
    through = scan()
    assert passed(through, *reads) == event(ROLE) + event(TEXT) + event(FINISH) + DONE
    assert (through.usage.prompt_tokens, through.usage.completion_tokens) == (9, 2)
    assert (through.finish_reason, through.is_complete) == ("stop", True)


def test_usage_stays_where_it_was_asked_for():
    assert event(USAGE) in passed(scan(wants_usage=True), event(TEXT), event(FINISH), event(USAGE), DONE)


def test_a_read_in_the_middle_passes_as_the_same_object():
    through = scan()
    through.feed(event(TEXT))
    read = event(TEXT)
    assert through.feed(read) is read


def test_a_stream_that_merely_stops_is_not_complete():
    through = scan()
    passed(through, event(ROLE), event(TEXT))
    assert not through.is_complete


def test_without_the_engines_word_tokens_are_an_estimate():
    through = scan()
    passed(through, *[event(TEXT)] * 5, DONE)
    assert through.usage.is_estimated
    assert through.usage.completion_tokens == 5


def test_an_error_in_the_stream_is_seen():
    through = scan()
    passed(through, event(TEXT), event_of(b'{"error":{"message":"no"}}'))
    assert through.saw_error or not through.is_complete


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_text_is_captured_where_it_is_wanted(size: int):
    text: list[str] = []
    stream = event(ROLE) + event(TEXT) * 2 + DONE
    passed(scan(text=text), *(stream[at : at + size] for at in range(0, len(stream), size)))
    assert "".join(text) == 'say "usage": 3' * 2
