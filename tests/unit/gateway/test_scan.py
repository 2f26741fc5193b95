"""The scan: whatever way a stream is cut, the client gets the same bytes and the record the same facts."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.ask import Ask, Operation
from remuda.gateway.scan import StreamScan
from remuda.gateway.transcript import Transcript


def ask(*, wants_usage: bool = False, choices: int = 1, operation: Operation = Operation.CHAT) -> Ask:
    return Ask(operation, "m", True, wants_usage, choices, b"{}")


def usage(tokens: int) -> bytes:
    return b'"usage":{"prompt_tokens":3,"completion_tokens":%d}' % tokens


SOME = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
LONG = SOME.replace(b"hi", b"x" * 1500)
QUOTED = b'data: {"choices":[{"index":0,"delta":{"content":"\\"usage\\" \\"error\\" data: x"}}]}\n\n'
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null}]}\n\n'
LAST = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
OTHER = b'data: {"choices":[{"index":1,"delta":{},"finish_reason":"length"}]}\n\n'
NULL = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}],"usage":null}\n\n'
ALONE = b'data: {"choices":[],' + usage(2) + b"}\n\n"
RUNNING = b'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}],' + usage(7) + b"}\n\n"
PROGRESS = b'data: {"choices":[{"index":0,"delta":{}}],"prompt_progress":{"total":9}}\n\n'
ERROR = b'data: {"error":{"message":"broken"}}\n\n'
COMMENT = b": still here\n\n"
CARRIAGE = b'data: {"choices":[{"index":0,"delta":{"content":"cr"}}]}\r\n\r\n'
DONE = b"data: [DONE]\n\n"
EVENTS = [SOME, QUOTED, ROLE, NULL, ALONE, RUNNING, PROGRESS, COMMENT, CARRIAGE, b"data: null\n\n", LAST, OTHER, ERROR]


def seen(made: StreamScan, pieces: list[bytes]) -> tuple[object, ...]:
    out = b"".join(made.feed(piece) for piece in pieces) + made.rest()
    facts = (made.finish_reason, made.is_complete, made.is_done, made.saw_error, made.saw_content)
    return (out, *facts, made.usage.prompt_tokens, made.usage.is_estimated or made.usage.completion_tokens)


@given(
    events=st.lists(st.sampled_from(EVENTS), max_size=8),
    end=st.sampled_from([b"", DONE, b"data: [DONE]", b'data: {"cho']),
    cuts=st.lists(st.integers(0, 700), max_size=10),
    wants_usage=st.booleans(),
    choices=st.integers(1, 2),
    captures=st.booleans(),
)
def test_any_split_gives_the_same_bytes_and_facts(
    events: list[bytes], end: bytes, cuts: list[int], wants_usage: bool, choices: int, captures: bool
) -> None:
    data = b"".join(events) + end
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[a:b] for a, b in pairwise(places)]

    def made() -> StreamScan:
        transcript = Transcript(ask(), 10) if captures else None
        return StreamScan(ask(wants_usage=wants_usage, choices=choices), drops_progress=True, transcript=transcript)

    by_event = seen(made(), [*events, end])
    assert seen(made(), pieces) == by_event
    assert seen(made(), [data]) == by_event
    assert seen(made(), [data[n : n + 1] for n in range(len(data))]) == by_event


@given(cuts=st.lists(st.integers(0, 2000), max_size=10), end=st.sampled_from([LAST + DONE, b""]))
def test_a_long_event_passes_whatever_way_it_is_cut(cuts: list[int], end: bytes) -> None:
    data = SOME + LONG + end
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    made = StreamScan(ask(), drops_progress=True, transcript=None, carried_bytes=100)
    assert b"".join(made.feed(data[a:b]) for a, b in pairwise(places)) + made.rest() == data
    assert made.is_complete is bool(end)
    assert not made.is_in_event


def test_half_a_long_event_is_known_to_be_open() -> None:
    made = StreamScan(ask(), drops_progress=True, transcript=None, carried_bytes=100)
    half = LONG[:-9]
    assert made.feed(half) + made.rest() == half
    assert made.is_in_event


def facts(*events: bytes, **fields: object) -> StreamScan:
    made = StreamScan(ask(**fields), drops_progress=True, transcript=None)  # type: ignore[arg-type]
    for event in events:
        made.feed(event)
    return made


def test_usage() -> None:
    assert facts(SOME, LAST, ALONE).usage.completion_tokens == 2
    assert facts(RUNNING, RUNNING, LAST).usage.completion_tokens == 7
    assert facts(RUNNING, LAST, ALONE).usage.completion_tokens == 2
    assert facts(ALONE, ALONE, choices=2).usage.completion_tokens == 4
    assert facts(ALONE, ALONE, choices=2).usage.prompt_tokens == 3
    estimated = facts(SOME, SOME, LAST).usage
    assert (estimated.completion_tokens, estimated.is_estimated) == (2, True)


def test_the_last_of_several_reports_counts_all() -> None:
    made = StreamScan(ask(wants_usage=True, choices=2), drops_progress=True, transcript=None)
    assert made.feed(ALONE) == ALONE
    assert b'"completion_tokens":4' in made.feed(ALONE)


def test_what_is_over() -> None:
    assert not facts(SOME).is_complete
    assert facts(SOME, LAST).is_complete
    assert not facts(SOME, LAST, choices=2).is_complete
    assert facts(SOME, LAST, OTHER, choices=2).is_complete
    assert facts(SOME, DONE).is_done
    broken = facts(SOME, ERROR, DONE)
    assert broken.saw_error
    assert not broken.is_complete
    assert not broken.is_done


def test_an_error_before_any_content_may_be_withheld() -> None:
    made = StreamScan(ask(), drops_progress=True, transcript=None, withholds_error=True)
    assert made.feed(ROLE + ERROR + DONE) == ROLE
    assert (made.has_withheld, made.saw_error, made.is_done) == (True, False, False)
    assert json.loads(made.error)["error"]["message"] == "broken"
    late = StreamScan(ask(), drops_progress=True, transcript=None, withholds_error=True)
    assert late.feed(SOME + ERROR) == SOME + ERROR
    assert (late.has_withheld, late.saw_error) == (False, True)


FINISH = (
    b'data: {"id":"c","choices":[{"index":%d,"text":"","finish_reason":"stop"}],"timings":{},' + usage(2) + b"}\n\n"
)
"""How llama.cpp ends each choice of a text completion."""


def completed(*pieces: bytes, wants_usage: bool, prompts: int = 1) -> tuple[bytes, StreamScan]:
    made = StreamScan(
        Ask(Operation.COMPLETION, "m", True, wants_usage, 1, b"{}", prompts), drops_progress=True, transcript=None
    )
    return b"".join(map(made.feed, pieces)) + made.rest(), made


def test_usage_on_a_finish_is_told_once_and_only_to_who_asked() -> None:
    ends = (FINISH % 0, FINISH % 1)
    silent, made = completed(SOME, *ends, DONE, wants_usage=False, prompts=2)
    assert b"usage" not in silent
    assert silent.endswith(DONE)
    assert made.usage.completion_tokens == 4
    for end in (DONE, b""):
        told, _ = completed(SOME, *ends, end, wants_usage=True, prompts=2)
        assert told.count(b'"usage"') == 1
        assert b'"choices":[],"usage":{"prompt_tokens":6,"completion_tokens":4' in told
        assert told.endswith(b"}\n\n" + end)


def test_usage_that_the_engine_tells_by_itself_is_not_told_twice() -> None:
    told, _ = completed(SOME, FINISH % 0, ALONE, DONE, wants_usage=True)
    assert told.count(b'"usage"') == 1


def test_each_prompt_has_its_end() -> None:
    assert not completed(SOME, FINISH % 0, SOME, wants_usage=False, prompts=2)[1].is_complete
    assert completed(SOME, FINISH % 0, FINISH % 1, wants_usage=False, prompts=2)[1].is_complete


@pytest.mark.parametrize(("word", "finish"), [(b"completed", "stop"), (b"incomplete", "length"), (b"failed", "")])
def test_a_last_event_too_long_to_look_at_is_an_end(word: bytes, finish: str) -> None:
    made = StreamScan(ask(operation=Operation.RESPONSE), drops_progress=True, transcript=None, carried_bytes=100)
    event = b'event: response.%b\ndata: {"type":"response.%b","x":"' % (word, word) + b"x" * 500
    made.feed(event)
    assert not made.is_complete
    made.feed(b'"}\n\n')
    assert (made.is_complete, made.is_done, made.finish_reason) == (bool(finish), bool(finish), finish)


def test_text_is_captured() -> None:
    transcript = Transcript(ask(), 100)
    made = StreamScan(ask(), drops_progress=True, transcript=transcript)
    made.feed(SOME + SOME)
    made.feed(CARRIAGE)
    assert transcript.answer_text == "hihicr"


def test_once_enough_text_is_kept_nothing_more_is_looked_at() -> None:
    transcript = Transcript(ask(), 3)
    made = StreamScan(ask(), drops_progress=True, transcript=transcript)
    made.feed(SOME)
    assert made.feed(SOME + SOME) == SOME + SOME
    assert made.feed(SOME) is SOME
    assert transcript.answer_text == "hih"


def test_the_usual_read_is_passed_on_itself() -> None:
    made = StreamScan(ask(), drops_progress=True, transcript=None)
    for read in (SOME, SOME + SOME, QUOTED, COMMENT, SOME):
        assert made.feed(read) is read


def test_the_responses_api() -> None:
    completed = (
        b'event: response.completed\ndata: {"type":"response.completed","response":{"status":"completed",'
        b'"usage":{"input_tokens":3,"output_tokens":4}}}\n\n'
    )
    delta = b'event: x.delta\ndata: {"type":"response.output_text.delta","delta":"hi"}\n\n'
    made = facts(delta, completed, operation=Operation.RESPONSE, wants_usage=True)
    assert (made.is_complete, made.finish_reason, made.usage.completion_tokens) == (True, "stop", 4)
    assert made.is_done
    failed = facts(delta, b'data: {"type":"response.failed","response":{"error":{"code":"x"}}}\n\n')
    assert failed.saw_error
