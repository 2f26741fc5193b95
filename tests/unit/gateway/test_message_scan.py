"""The scan of Anthropic's events: whatever way a stream is cut, the same bytes and the same facts."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.ask import Ask, Operation
from remuda.core.usage import NO_USAGE, Usage
from remuda.gateway.message_scan import MessageScan
from remuda.gateway.scan import CARRIED_BYTES
from remuda.gateway.transcript import Transcript

ASK = Ask(Operation.CHAT, "m", True, False, 1, b"{}")


def event(kind: str, fields: str = "") -> bytes:
    return f'event: {kind}\ndata: {{"type":"{kind}"{fields}}}\n\n'.encode()


START = event("message_start", ',"message":{"usage":{"input_tokens":5,"cache_read_input_tokens":3,"output_tokens":1}}')
BLOCK = event("content_block_start", ',"index":0,"content_block":{"type":"text","text":""}')
WORD = event("content_block_delta", ',"index":0,"delta":{"type":"text_delta","text":"hi"}')
QUOTED = event("content_block_delta", ',"delta":{"text":"\\"message_stop\\" \\"error\\" \\"message_delta\\""}')
END = event("message_delta", ',"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}')
STOP = event("message_stop")
ERROR = event("error", ',"error":{"type":"api_error","message":"no"}')
COMMENT = b": busy\n\n"
EVENTS = [START, BLOCK, WORD, QUOTED, ERROR, COMMENT, event("ping"), b"data: nonsense\n\n"]


def seen(made: MessageScan, pieces: list[bytes]) -> tuple[object, ...]:
    out = b"".join(made.feed(piece) for piece in pieces) + made.rest()
    facts = (made.finish_reason, made.is_complete, made.is_done, made.saw_error, made.saw_content, made.is_in_event)
    return (out, *facts, made.usage.prompt_tokens, made.usage.is_estimated or made.usage.completion_tokens)


@given(
    events=st.lists(st.sampled_from(EVENTS), max_size=8),
    end=st.sampled_from([b"", END, END + STOP, END + STOP[:-1], b'event: message_stop\ndata: {"ty']),
    cuts=st.lists(st.integers(0, 900), max_size=10),
    captures=st.booleans(),
)
def test_any_split_gives_the_same_bytes_and_facts(
    events: list[bytes], end: bytes, cuts: list[int], captures: bool
) -> None:
    data = b"".join(events) + end
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    texts = [Transcript(ASK, 100) if captures else None for _ in range(2)]
    whole = seen(MessageScan(texts[0]), [data])
    assert seen(MessageScan(texts[1]), [data[a:b] for a, b in pairwise(places)]) == whole
    assert texts[0] is texts[1] is None or texts[0].answer_text == texts[1].answer_text
    assert whole[0] == data.removesuffix(b'event: message_stop\ndata: {"ty') + (b"\n" if end.endswith(b"}\n") else b"")


def test_a_stream_is_complete_when_it_says_so_itself_and_no_sooner() -> None:
    made = MessageScan(None)
    for each in (START, BLOCK, WORD, QUOTED, END):
        assert made.feed(each) == each
        assert not made.is_complete
    assert made.feed(STOP) == STOP
    assert (made.is_complete, made.saw_error, made.finish_reason) == (True, False, "stop")
    assert made.usage == Usage(8, 9, 3)


def test_what_has_not_been_told_is_counted() -> None:
    made = MessageScan(None)
    assert made.usage == NO_USAGE
    made.feed(BLOCK + WORD)
    made.feed(WORD * 2)
    assert made.usage == Usage(completion_tokens=3, is_estimated=True)


@pytest.mark.parametrize("kind", [START, BLOCK, event("ping"), COMMENT])
def test_what_comes_before_the_content_is_none(kind: bytes) -> None:
    made = MessageScan(None)
    assert made.feed(kind) == kind
    assert not made.saw_content


def test_an_event_too_long_to_be_looked_at_is_passed_on_as_it_comes() -> None:
    made = MessageScan(None)
    long = b'event: content_block_delta\ndata: {"x":"' + b"x" * CARRIED_BYTES
    out = made.feed(WORD + long)
    assert made.is_in_event
    out += made.feed(b'yy"}\n\n' + END) + made.feed(STOP)
    assert out == WORD + long + b'yy"}\n\n' + END + STOP
    assert not made.is_in_event
    assert made.is_complete
