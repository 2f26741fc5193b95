"""Answers of engines as Ollama says them."""

import json
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.ask import Operation
from remuda.core.faults import UpstreamFailed
from remuda.dialects.ollama.answers import HELD_BYTES, GenerationAnswer, VectorAnswer, timestamp
from remuda.dialects.ollama.asks import OllamaAsk, Shape
from remuda.dialects.ollama.context import MAX_CHARS, Said, messages_in
from remuda.testing.clock import FakeClock
from remuda.wire.sse import DONE, event_of

USAGE = {"prompt_tokens": 7, "completion_tokens": 3}
TIMINGS = {"prompt_ms": 2.0, "predicted_ms": 5.0}


def ask(shape: Shape = Shape.CHAT, **fields: Any) -> OllamaAsk:
    return OllamaAsk(Operation.CHAT, "m", True, True, 1, b"", shape=shape, **{"has_lines": True, **fields})


def event(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return event_of(json.dumps({"choices": choices, **fields}).encode())


def piece(index: int, name: str | None = None, arguments: str = "", **fields: str) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"tool_calls": [{"index": index, "function": function, **fields}]}


def lines(data: bytes) -> list[dict[str, Any]]:
    assert not data or data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def said(shape: Shape, *events: bytes, **fields: Any) -> list[dict[str, Any]]:
    answer = GenerationAnswer(ask(shape, **fields), FakeClock())
    return lines(answer.feed(b"".join(events)) + answer.end())


STREAM = (
    event({"role": "assistant", "content": None}),
    event({"reasoning_content": "Hm."}),
    event({"content": "señor"}),
    event({"content": " 🐴"}),
    event(piece(0, "go", id="c1")),
    event(piece(0, None, '{"x":')),
    event(piece(0, None, "1.50}")),
    event(piece(1, "stay")),
    event({}, "tool_calls"),
    event(usage=USAGE, timings=TIMINGS),
    DONE,
)


def test_a_stream_of_a_chat():
    made = said(Shape.CHAT, *STREAM)
    assert [line["message"] for line in made] == [
        {"role": "assistant", "content": "", "thinking": "Hm."},
        {"role": "assistant", "content": "señor"},
        {"role": "assistant", "content": " 🐴"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c1", "function": {"index": 0, "name": "go", "arguments": {"x": 1.5}}},
                {"function": {"index": 1, "name": "stay", "arguments": {}}},
            ],
        },
        {"role": "assistant", "content": ""},
    ]
    assert [line["done"] for line in made] == [False, False, False, False, True]
    last = made[-1]
    assert (last["model"], last["done_reason"]) == ("m", "stop")
    assert (last["prompt_eval_count"], last["eval_count"]) == (7, 3)
    assert (last["prompt_eval_duration"], last["eval_duration"]) == (2_000_000, 5_000_000)
    assert all(datetime.fromisoformat(line["created_at"]).tzinfo for line in made)


def test_a_stream_of_a_prompt():
    made = said(Shape.GENERATE, event({"reasoning_content": "Hm."}), event({"content": "Yes"}), event({}, "length"))
    assert [(line["response"], line.get("thinking")) for line in made] == [("", "Hm."), ("Yes", None), ("", None)]
    assert made[-1]["done_reason"] == "length"
    assert "eval_count" not in made[-1], "what nobody counted is not made up"


def test_text_completions_are_told_alike():
    chunk = event_of(b'{"choices":[{"text":"Yes","finish_reason":null}]}')
    assert said(Shape.GENERATE, chunk)[0]["response"] == "Yes"


def test_thoughts_that_were_not_wanted_are_left_out():
    made = said(Shape.CHAT, event({"reasoning_content": "Hm."}), event({"content": "Yes"}), hides_thinking=True)
    assert [line["message"]["content"] for line in made] == ["Yes", ""]
    assert not any("thinking" in line["message"] for line in made)


def test_probabilities_pass_through():
    content = [{"token": "Yes", "logprob": -0.5, "top_logprobs": []}]
    chunk = {"choices": [{"delta": {"content": "Yes"}, "logprobs": {"content": content}}]}
    assert said(Shape.CHAT, event_of(json.dumps(chunk).encode()))[0]["logprobs"] == content


@given(cuts=st.lists(st.integers(0, 900), max_size=12))
def test_any_split_gives_the_same_lines(cuts):
    stream = b"".join(STREAM)
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    pieces = GenerationAnswer(ask(), FakeClock())
    got = b"".join(pieces.feed(stream[a:b]) for a, b in pairwise(places)) + pieces.end()
    whole = GenerationAnswer(ask(), FakeClock())
    assert got == whole.feed(stream) + whole.end()


def test_the_last_line_is_said_once_and_comes_with_done():
    answer = GenerationAnswer(ask(), FakeClock())
    assert lines(answer.feed(event({"content": "x"}) + DONE))[-1]["done"] is True
    assert answer.feed(event({"content": "late"})) == b""
    assert answer.end() == b""


def test_after_an_error_nothing_is_done():
    answer = GenerationAnswer(ask(), FakeClock())
    failed = event_of(b'{"error":{"message":"out of memory"}}')
    made = lines(answer.feed(event({"content": "x"}) + failed + event({}, "stop") + DONE) + answer.end())
    assert "out of memory" in made[-1]["error"]
    assert not any(line.get("done") for line in made)


@pytest.mark.parametrize(
    "stream",
    [
        event_of(b"{"),
        event_of(b'{"choices": 1}'),
        event(piece(0, "go", "[1]")) + event({}, "tool_calls"),
        event(piece(0, "go", '{"x":')) + event({}, "stop"),
        event(piece(0, "go", "x" * HELD_BYTES)),
        b"data: " + b"x" * (HELD_BYTES + 1),
    ],
)
def test_a_stream_that_makes_no_sense_fails_and_is_never_done(stream):
    answer = GenerationAnswer(ask(), FakeClock())
    with pytest.raises(UpstreamFailed):
        answer.feed(stream)
    assert answer.end() == b""


def test_half_a_call_is_none_where_the_answer_was_cut_for_length():
    made = said(Shape.CHAT, event(piece(0, "go", '{"x":')), event({}, "length"))
    assert [line["done_reason"] for line in made] == ["length"]


async def test_durations_are_measured_where_the_engine_tells_none():
    clock = FakeClock()
    answer = GenerationAnswer(ask(started=clock.monotonic() - 3), clock)
    await clock.advance(1)
    answer.feed(event({"content": "x"}))
    await clock.advance(2)
    last = lines(answer.end())[-1]
    names = ("load_duration", "prompt_eval_duration", "eval_duration", "total_duration")
    assert [round(last[name] / 1e9) for name in names] == [3, 1, 2, 6]


def test_a_whole_chat():
    message = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "Hm.",
        "tool_calls": [{"function": {"name": name, "arguments": '{"a":1}'}} for name in ("go", "stay")],
    }
    body = json.dumps({"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": USAGE}).encode()
    answer = GenerationAnswer(ask(has_lines=False), FakeClock())
    made = json.loads(answer.whole(body))
    assert answer.content_type.startswith(b"application/json")
    assert made["message"]["thinking"] == "Hm."
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in made["message"]["tool_calls"]]
    assert calls == [("go", {"a": 1}), ("stay", {"a": 1})]
    assert (made["done"], made["done_reason"], made["eval_count"]) == (True, "stop", 3)


def test_a_whole_answer_to_who_reads_lines_is_one_line():
    body = b'{"choices":[{"text":"Yes","finish_reason":"stop"}]}'
    answer = GenerationAnswer(ask(Shape.GENERATE), FakeClock())
    assert answer.content_type == b"application/x-ndjson"
    [line] = lines(answer.whole(body))
    assert (line["response"], line["done"]) == ("Yes", True)


def test_a_load_says_nothing_of_the_token_it_took():
    body = b'{"choices":[{"text":"Yes","finish_reason":"length"}],"usage":{"completion_tokens":1}}'
    made = json.loads(GenerationAnswer(ask(Shape.GENERATE, is_load=True, has_lines=False), FakeClock()).whole(body))
    assert (made["response"], made["done"], made["done_reason"]) == ("", True, "load")
    assert "eval_count" not in made


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"choices":[]}', b'{"data":[]}', b'{"choices":"x"}'])
def test_a_whole_answer_that_makes_no_sense_fails(body):
    for answer in (GenerationAnswer(ask(), FakeClock()), VectorAnswer(ask(Shape.EMBED), FakeClock())):
        with pytest.raises(UpstreamFailed):
            answer.whole(body)


VECTORS = b'{"data":[{"index":1,"embedding":[2.50]},{"index":0,"embedding":[1.0,-3e-7]}],"usage":{"prompt_tokens":4}}'


def test_vectors_keep_their_digits_and_their_order():
    made = VectorAnswer(ask(Shape.EMBED), FakeClock()).whole(VECTORS)
    assert b'"embeddings":[[1.0,-3e-7],[2.50]]' in made
    assert json.loads(made)["prompt_eval_count"] == 4
    assert json.loads(made)["model"] == "m"


@pytest.mark.parametrize(
    ("is_list", "made"), [(False, b'{"embedding":[1.0,-3e-7]}'), (True, b'{"embeddings":[[1.0,-3e-7],[2.50]]}')]
)
def test_vectors_in_the_older_words(is_list, made):
    answer = VectorAnswer(ask(Shape.EMBEDDINGS, is_list=is_list), FakeClock())
    assert answer.whole(VECTORS) == made
    assert answer.feed(b"x") == answer.end() == b""


@pytest.mark.parametrize(
    ("shape", "is_list", "made"),
    [
        (Shape.EMBED, False, {"model": "m", "embeddings": []}),
        (Shape.EMBED, True, {"model": "m", "embeddings": []}),
        (Shape.EMBEDDINGS, False, {"embedding": []}),
        (Shape.EMBEDDINGS, True, {"embeddings": []}),
    ],
)
def test_where_no_text_was_given_there_are_no_vectors(shape, is_list, made):
    assert json.loads(VectorAnswer(ask(shape, is_list=is_list, is_load=True), FakeClock()).whole(VECTORS)) == made


def test_times_are_those_of_rfc_3339():
    assert timestamp(1_700_000_000.25) == "2023-11-14T22:13:20.250000Z"


def test_the_end_of_an_answer_to_a_prompt_has_the_context_for_the_next():
    asked = [Said("user", "Hello")]
    made = said(Shape.GENERATE, event({"content": "Good "}), event({"content": "day"}), event({}, "stop"), said=asked)
    assert ["context" in line for line in made] == [False, False, True]
    assert messages_in(made[-1]["context"]) == [*asked, ("assistant", "Good day")]
    whole = json.dumps({"choices": [{"message": {"content": "Good day"}, "finish_reason": "stop"}]}).encode()
    for wanted in (asked, None):
        one = ask(Shape.GENERATE, said=wanted, has_lines=False)
        answer = json.loads(GenerationAnswer(one, FakeClock()).whole(whole))
        assert ("context" in answer) is (wanted is not None)


def test_a_conversation_that_has_grown_too_long_has_no_context():
    long = [Said("user", "x" * MAX_CHARS)]
    assert "context" not in said(Shape.GENERATE, event({"content": "y"}), event({}, "stop"), said=long)[-1]
