"""A folded stream equals the answer the same server gives unstreamed, whatever way the stream is cut."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.ask import Ask, Operation
from remuda.core.faults import UpstreamFailed
from remuda.core.usage import Usage
from remuda.testing import answers
from remuda.testing.behaviour import Behaviour, UsageMode
from remuda.wire.fold import UsageSum, fold_for

MAKERS = {Operation.CHAT: answers.chat, Operation.COMPLETION: answers.completion, Operation.RESPONSE: answers.responses}


def ask(operation: Operation = Operation.CHAT, choices: int = 1) -> Ask:
    return Ask(operation, "fake", False, True, choices, b"{}")


def sent(operation: Operation, fields: dict[str, Any], behaviour: Behaviour, *, stream: bool) -> bytes:
    answer = MAKERS[operation](7, {"model": "fake", **fields, "stream": stream}, behaviour)
    return b"".join(part.data for part in answer.parts)


@given(
    operation=st.sampled_from(list(MAKERS)),
    tokens=st.integers(1, 9),
    choices=st.integers(1, 3),
    bound=st.none() | st.integers(1, 9),
    cuts=st.lists(st.integers(0, 3000), max_size=9),
)
def test_a_folded_stream_equals_the_unary_answer(
    operation: Operation, tokens: int, choices: int, bound: int | None, cuts: list[int]
) -> None:
    if operation is not Operation.CHAT:
        choices = 1
    behaviour = Behaviour(tokens=tokens, usage=UsageMode.ALWAYS)
    text = "a few words"
    fields: dict[str, Any] = {"messages": [{"role": "user", "content": text}], "prompt": text, "input": text}
    fields |= {"n": choices, "max_tokens": bound}
    whole = msgspec.json.decode(sent(operation, fields, behaviour, stream=False))
    stream = sent(operation, fields, behaviour, stream=True)
    fold = fold_for(ask(operation))
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    for a, b in pairwise(places):
        fold.feed(stream[a:b])
    assert fold.is_complete
    assert fold.has_content
    body, usage, finish = fold.result()
    folded = msgspec.json.decode(body)
    assert {key: value for key, value in folded.items() if key != "choices"} == {
        key: value for key, value in whole.items() if key != "choices"
    }
    assert folded.get("choices") == whole.get("choices")
    assert usage.completion_tokens == tokens * choices or bound is not None
    assert finish in ("stop", "length")


def events(*chunks: Any) -> bytes:
    return b"".join(answers.event(chunk) for chunk in chunks)


def test_tool_calls_and_reasoning_grow_together() -> None:
    fold = fold_for(ask())

    def delta(**fields: Any) -> dict[str, Any]:
        return {"id": "x", "choices": [{"index": 0, "delta": fields}]}

    fold.feed(
        events(
            delta(role="assistant", reasoning_content="hm"),
            delta(reasoning_content="m"),
            delta(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "look", "arguments": ""}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": '{"a":'}}]),
            delta(tool_calls=[{"index": 1, "id": "c2", "function": {"name": "go", "arguments": "{}"}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": "1}"}}]),
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
            b"[DONE]",
        )
    )
    body, _, finish = fold.result()
    message = msgspec.json.decode(body)["choices"][0]["message"]
    assert finish == "tool_calls"
    assert message["content"] is None
    assert message["reasoning_content"] == "hmm"
    assert [call["function"] for call in message["tool_calls"]] == [
        {"name": "look", "arguments": '{"a":1}'},
        {"name": "go", "arguments": "{}"},
    ]
    assert [call["id"] for call in message["tool_calls"]] == ["c1", "c2"]


def test_a_stream_that_does_not_end_is_not_complete() -> None:
    fold = fold_for(ask())
    fold.feed(events({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]}))
    assert not fold.is_complete
    responses = fold_for(ask(Operation.RESPONSE))
    with pytest.raises(UpstreamFailed):
        responses.result()


@pytest.mark.parametrize("error", ["out of memory", {"message": "out of memory"}])
def test_an_error_event_is_a_fault(error: Any) -> None:
    with pytest.raises(UpstreamFailed, match="out of memory"):
        fold_for(ask()).feed(events({"error": error}))
    with pytest.raises(UpstreamFailed):
        fold_for(ask(Operation.RESPONSE)).feed(events({"type": "response.failed", "response": {"error": {"code": 1}}}))


def test_what_is_no_json_is_said() -> None:
    with pytest.raises(msgspec.DecodeError):
        fold_for(ask()).feed(b"data: {nonsense\n\n")


def test_reports_of_all_choices_add_up_and_share_their_prompt() -> None:
    total = UsageSum(2)
    for _ in range(2):
        total.add(Usage(10, 3, 4), is_alone=True)
    assert total.total == Usage(10, 6, 4)


def test_a_report_of_its_own_sums_up_those_that_came_with_the_finishes() -> None:
    total = UsageSum(1)
    total.add(Usage(10, 3, 0), is_alone=False)
    total.add(Usage(10, 3, 0), is_alone=True)
    assert (total.total, total.reports) == (Usage(10, 3, 0), 1)


def test_what_llama_cpp_was_asked_to_tell_beside_is_kept() -> None:
    fold = fold_for(ask())
    fold.feed(b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n')
    fold.feed(
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"__verbose":{"stopping_word":"y"}}\n\n'
    )
    assert msgspec.json.decode(fold.result()[0])["__verbose"] == {"stopping_word": "y"}


@pytest.mark.parametrize("operation", list(MAKERS))
def test_what_was_used_so_far_is_counted_in_pieces(operation: Operation) -> None:
    stream = sent(operation, {"stream_options": {"include_usage": True}}, Behaviour(tokens=5), stream=True)
    fold = fold_for(ask(operation))
    assert fold.so_far() == Usage()
    events = [event + b"\n\n" for event in stream.split(b"\n\n")]
    counts = set()
    for event in events:
        if not fold.is_complete:
            fold.feed(event)
            counts.add(fold.so_far().completion_tokens)
    assert counts - {0} == {1, 2, 3, 4, 5}
