"""The scan of lines: whatever way a stream is cut, the client gets the server's bytes and the record the same facts."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.ask import Ask, Operation
from remuda.core.usage import NO_USAGE, Usage
from remuda.gateway import line_scan
from remuda.gateway.line_scan import LineScan
from remuda.gateway.transcript import Transcript

SOME = b'{"message":{"role":"assistant","content":"hi"},"done":false}\n'
QUOTED = b'{"response":"\\"done\\":true \\"error\\" {\\u000a","done":false}\n'
EMPTY = b'{"message":{"content":""},"done":false}\n'
CALL = b'{"message":{"content":"","tool_calls":[{"function":{"arguments":{"done":true,"error":1}}}]},"done":false}\n'
CARRIAGE = b'{"response":"cr","done":false}\r\n'
ERROR = b'{"error":"broken"}\n'
DONE = b'{"response":"","done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":5}\n'
SPACED = b'{"response": "", "done": true, "done_reason": "length"}\n'
LINES = [SOME, QUOTED, EMPTY, CALL, CARRIAGE, ERROR, b"\n", b"nonsense\n"]

ASK = Ask(Operation.CHAT, "m", True, False, 1, b"{}")


def seen(made: LineScan, pieces: list[bytes]) -> tuple[object, ...]:
    out = b"".join(made.feed(piece) for piece in pieces) + made.rest()
    facts = (made.finish_reason, made.is_complete, made.is_done, made.saw_error, made.saw_content)
    return (out, *facts, made.usage.prompt_tokens, made.usage.is_estimated or made.usage.completion_tokens)


@given(
    lines=st.lists(st.sampled_from(LINES), max_size=8),
    end=st.sampled_from([b"", DONE, SPACED, DONE[:-1], b'{"mess']),
    cuts=st.lists(st.integers(0, 700), max_size=10),
    captures=st.booleans(),
)
def test_any_split_gives_the_same_bytes_and_facts(
    lines: list[bytes], end: bytes, cuts: list[int], captures: bool
) -> None:
    data = b"".join(lines) + end
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    texts = [Transcript(ASK, 100) if captures else None for _ in range(2)]
    pieces = [data[a:b] for a, b in pairwise(places)]
    whole = seen(LineScan(texts[0]), [data])
    assert seen(LineScan(texts[1]), pieces) == whole
    assert texts[0] is texts[1] is None or texts[0].answer_text == texts[1].answer_text
    assert whole[0] == (data.removesuffix(b'{"mess'))


def test_a_stream_is_complete_when_it_says_so_itself() -> None:
    for last in (DONE, SPACED):
        made = LineScan(None)
        assert made.feed(SOME) == SOME
        assert made.feed(CALL) == CALL
        assert not made.is_complete
        assert made.feed(last) == last
        assert made.is_complete
        assert not made.saw_error
    assert LineScan(None).usage == NO_USAGE


def test_usage_is_the_servers_or_else_the_number_of_lines() -> None:
    made = LineScan(None)
    for _ in range(4):
        made.feed(SOME)
    assert made.usage == Usage(completion_tokens=4, is_estimated=True)
    made.feed(DONE)
    assert made.usage == Usage(3, 5)


def test_half_a_line_is_held_back() -> None:
    made = LineScan(None)
    assert made.feed(SOME + b'{"response":"x') == SOME
    assert made.feed(b'","done":false}') == b""
    assert made.feed(b"\n" + SOME) == b'{"response":"x","done":false}\n' + SOME


def test_a_last_line_without_its_end_gets_it_unless_all_has_been_said() -> None:
    for last, rest in ((DONE[:-1], DONE[:-1]), (ERROR[:-1], ERROR)):
        made = LineScan(None)
        made.feed(last)
        assert made.rest() == rest


@pytest.mark.parametrize("is_last", [True, False])
def test_a_line_too_long_to_be_looked_at_is_passed_on_as_it_comes(is_last: bool) -> None:
    head = b'{"response":"","done":%b,"context":[' % (b"true" if is_last else b"false")
    long = b"1," * (line_scan.CARRIED_BYTES // 2)
    made = LineScan(None)
    assert made.feed(SOME + head) == SOME
    assert made.feed(long) == head + long
    assert made.is_in_event
    assert made.feed(b"1") == b"1"
    assert not made.is_complete
    assert made.feed(b"]}\n" + (b"" if is_last else DONE)) == b"]}\n" + (b"" if is_last else DONE)
    assert not made.is_in_event
    assert made.is_complete
