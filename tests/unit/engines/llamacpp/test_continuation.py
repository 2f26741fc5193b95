"""A recorded stream, cut wherever it can be, and continued by an engine that says what the first would have said."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.ask import Operation
from remuda.core.faults import NotOffered
from remuda.engines.llamacpp.adapter import LlamaCpp
from remuda.engines.llamacpp.continuation import HELD_BYTES, KeptStream
from remuda.engines.protocol import Continuation, Outgoing
from remuda.wire.sse import DONE
from tests.unit.engines.client import ask_of

CHAT, COMPLETION = Operation.CHAT, Operation.COMPLETION
PROMPT = "<|user|>Hé?<|assistant|>"
PROMPT_TOKENS = 16
TOKENS = ("Grü", "ß", " dich", ",", " 🦙", '"\\n"', "\n", " stop", "!")
TEXT = "".join(TOKENS)
MESSAGES = [{"role": "user", "content": "Hé?"}]


def event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


class Engine:
    """Says TOKENS, the way llama.cpp does, from wherever the prompt stands."""

    def __init__(self, name: str, limit: int | None = None) -> None:
        self.name = name
        self.limit = limit
        self.asked: list[str] = []

    def named(self, operation: Operation) -> dict[str, Any]:
        kind = "chat.completion.chunk" if operation is CHAT else "text_completion"
        return {"created": 7, "id": f"id-{self.name}", "model": "m", "system_fingerprint": "b0", "object": kind}

    def stream(self, operation: Operation, start: int = 0, limit: int | None = None) -> Iterator[bytes]:
        named = self.named(operation)
        total = PROMPT_TOKENS + start
        said = TOKENS[start:] if limit is None else TOKENS[start : start + limit]
        reason = "stop" if start + len(said) == len(TOKENS) and limit is None else "length"
        tokens = len(said) + (reason == "stop")
        usage = {
            "completion_tokens": tokens,
            "prompt_tokens": total,
            "total_tokens": total + tokens,
            "prompt_tokens_details": {"cached_tokens": 3 if not start else 1},
        }
        progress = {"total": total, "cache": 3 if not start else 1, "processed": total, "time_ms": 1}
        if operation is CHAT:

            def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
                return {"choices": [{"finish_reason": reason, "index": 0, "delta": delta}], **named}

            role = {"role": "assistant", "content": None}
            yield event({**chunk(role), "prompt_progress": progress})
            yield event(chunk(role))
            yield from (event(chunk({"content": token})) for token in said)
            yield event(chunk({}, reason))
            yield event({"choices": [], **named, "usage": usage})
        else:

            def text(token: str, reason: str | None = None) -> dict[str, Any]:
                return {"choices": [{"text": token, "index": 0, "logprobs": None, "finish_reason": reason}], **named}

            yield event({**text(""), "prompt_progress": progress})
            yield from (event(text(token)) for token in said)
            yield event({**text("", reason), "usage": usage})
        yield b"data: [DONE]\n\n"

    def answer(self, outgoing: Outgoing) -> bytes:
        self.asked.append(outgoing.path)
        body = json.loads(outgoing.body)
        if outgoing.path == "/apply-template":
            assert body["messages"] == MESSAGES
            return json.dumps({"prompt": PROMPT}).encode()
        if outgoing.path == "/tokenize":
            return json.dumps({"tokens": [*range(self.count(body["content"]))]}).encode()
        if outgoing.path == "/v1/chat/completions":
            return b"".join(self.stream(CHAT, limit=body.get("max_tokens")))
        start = self.count(body["prompt"].removeprefix(PROMPT))
        if start:
            assert not {"messages", "max_tokens", "stream_options"} & set(body)
            assert body["top_k"] == 5
        return b"".join(self.stream(COMPLETION, start, body.get("n_predict", body.get("max_tokens"))))

    def count(self, text: str) -> int:
        """How many of TOKENS `text` is."""
        return next(n for n in range(len(TOKENS) + 1) if "".join(TOKENS[:n]) == text)


def kept(operation: Operation = CHAT, *, max_bytes: int = 1000, exact: bool = True, **fields: Any) -> KeptStream:
    asked = {"messages": MESSAGES} if operation is CHAT else {"prompt": PROMPT}
    body = json.dumps({"model": "m", **asked, "stream": True, "stream_options": {}, "top_k": 5, **fields}).encode()
    path = "/v1/chat/completions" if operation is CHAT else "/v1/completions"
    return KeptStream(operation, path, body, is_exact=exact, max_bytes=max_bytes)


def continued(stream: KeptStream, engine: Engine) -> bytes:
    """What the client gets of the rest."""
    answers: list[bytes] = []
    while (outgoing := stream.asks(answers)) is not None and not outgoing.is_streamed:
        answers.append(engine.answer(outgoing))
    return stream.end() if outgoing is None else stream.feed(engine.answer(outgoing)) + stream.end()


def events(said: bytes) -> list[Any]:
    assert said.endswith(b"\n\n")
    data = [each.removeprefix(b"data: ") for each in said.split(b"\n\n")[:-1]]
    return [each.decode() if each == b"[DONE]" else json.loads(each) for each in data]


def told(said: bytes) -> list[Any]:
    """What the client is told, but for the one name that all events have to bear."""
    shown = [each for each in events(said) if "prompt_progress" not in each]
    assert len({each["id"] for each in shown[:-1]}) == 1
    return [{**each, "id": ""} if isinstance(each, dict) else each for each in shown]


@pytest.mark.parametrize("operation", [CHAT, COMPLETION])
@pytest.mark.parametrize("limit", [None, 5, 9])
def test_wherever_it_is_cut_the_whole_is_the_same(operation: Operation, limit: int | None):
    fields = {} if limit is None else {"max_tokens": limit}
    recorded = b"".join(Engine("first").stream(operation, limit=limit))
    whole = told(recorded)
    for cut in range(len(recorded) - len(b"data: [DONE]\n\n") + 1):
        stream = kept(operation, **fields)
        said = stream.feed(recorded[:cut])
        assert stream.can_continue
        said += continued(stream, Engine("second"))
        assert told(said) == whole, cut


@given(
    st.sampled_from([CHAT, COMPLETION]),
    st.none() | st.integers(2, 8),
    st.lists(st.floats(0, 1), max_size=3),
    st.integers(1, 700),
)
def test_however_often_and_in_whatever_pieces(operation: Operation, limit: int | None, cuts: list[float], size: int):
    stream = kept(operation, **({} if limit is None else {"max_tokens": limit}))
    now = b"".join(Engine("first").stream(operation, limit=limit))
    whole = told(now)
    said = b""
    for number, cut in enumerate([*cuts, 1.0]):
        now = now[: int(cut * len(now))]
        said += b"".join([stream.feed(now[start : start + size]) for start in range(0, len(now), size)])
        if said.endswith(b"data: [DONE]\n\n"):
            break
        answers: list[bytes] = []
        engine = Engine(f"engine-{number}")
        while (outgoing := stream.asks(answers)) is not None and not outgoing.is_streamed:
            answers.append(engine.answer(outgoing))
        if outgoing is None:
            said += stream.end()
            break
        now = engine.answer(outgoing)
    else:
        said += stream.feed(now)
    assert told(said) == whole


def test_what_passes_is_passed_as_it_came():
    stream = kept()
    recorded = b"".join(Engine("first").stream(CHAT))
    assert stream.feed(recorded) is recorded
    assert stream.end() == b""


def test_a_limit_that_was_reached_needs_nobody():
    stream, engine = kept(max_tokens=4), Engine("second")
    *_, last = (stream.feed(each) for each in list(Engine("first").stream(CHAT, limit=4))[:6])
    assert b'" dich"' not in last
    assert events(continued(stream, engine))[-3:] == [
        {"choices": [{"finish_reason": "length", "index": 0, "delta": {}}], **engine.named(CHAT) | {"id": "id-first"}},
        {
            "choices": [],
            **engine.named(CHAT) | {"id": "id-first"},
            "usage": {
                "completion_tokens": 4,
                "prompt_tokens": 16,
                "total_tokens": 20,
                "prompt_tokens_details": {"cached_tokens": 3},
            },
        },
        "[DONE]",
    ]
    assert engine.asked == ["/apply-template", "/tokenize"]


def test_after_its_finish_nobody_is_asked():
    stream, engine = kept(), Engine("second")
    stream.feed(b"".join(list(Engine("first").stream(CHAT))[:-2]))
    assert stream.asks(()) is None
    [usage, done] = events(stream.end())
    assert (usage["usage"]["completion_tokens"], done) == (len(TOKENS) + 1, "[DONE]")
    assert not engine.asked


@pytest.mark.parametrize("delta", [{"reasoning_content": "Hm"}, {"tool_calls": [{"index": 0}]}, {"refusal": "No"}])
def test_what_is_no_plain_text_cannot_be_continued(delta: dict[str, Any]):
    stream = kept()
    said = event({"choices": [{"finish_reason": None, "index": 0, "delta": delta}], "id": "x", "created": 1})
    assert stream.feed(said) == said
    assert not stream.can_continue
    assert stream.feed(b"data: half") == b"data: half"
    with pytest.raises(NotOffered):
        stream.asks(())


def test_what_is_constrained_is_asked_anew_until_it_begins():
    first, engine = list(Engine("first").stream(CHAT)), Engine("second")
    stream = kept(exact=False)
    said = stream.feed(b"".join(first[:2]))
    assert stream.can_continue
    said += continued(stream, engine)
    assert told(said) == told(b"".join(first))
    assert engine.asked == ["/v1/chat/completions"]
    stream = kept(exact=False)
    stream.feed(b"".join(first[:3]))
    assert not stream.can_continue


def test_each_answer_is_introduced_once():
    def of(index: int, **delta: Any) -> bytes:
        choice = {"finish_reason": None, "index": index, "delta": delta}
        return event({"choices": [choice], "created": 1, "id": "first"})

    first, second = of(0, role="assistant", content=None), of(1, role="assistant", content=None)
    stream = kept(exact=False)
    assert stream.feed(first) == first
    assert stream.asks(()) is not None
    assert stream.feed(first + second + of(1, content="x")) == second + of(1, content="x")


def test_a_text_over_the_bound_is_not_kept():
    stream = kept(max_bytes=10)
    recorded = b"".join(Engine("first").stream(CHAT))
    assert stream.feed(recorded) == recorded
    assert not stream.can_continue


def test_bytes_that_were_no_character_are_lost():
    stream = kept()
    stream.feed(event({"choices": [{"delta": {"content": " h\ufffd"}}], "id": "x", "created": 1}))
    assert not stream.can_continue


def test_bytes_that_are_no_text_are_not_continued():
    stream = kept()
    first = list(Engine("first").stream(CHAT))
    stream.feed(b"".join(first[:2]))
    stream.feed(first[2].replace("Grü".encode(), b"\xff"))
    with pytest.raises(NotOffered):
        stream.asks([b'{"prompt":"x"}'])


def test_an_event_without_its_blank_line_counts_at_the_end():
    first = list(Engine("first").stream(CHAT))
    stream = kept()
    stream.feed(b"".join(first[:3]) + first[3][:-2])
    assert stream.end() == first[3][:-2]
    rest = stream.asks([json.dumps({"prompt": PROMPT}).encode()])
    assert rest is not None
    assert json.loads(rest.body)["prompt"] == PROMPT + "".join(TOKENS[:2])
    second = list(Engine("second").stream(COMPLETION, 2))
    assert stream.feed(b"".join(second[:1]) + second[1][:-2]) == b""
    assert told(stream.end() + DONE)[:-1] == told(first[4] + DONE)[:-1]
    assert stream.end() == b""


def test_half_an_event_does_not():
    first = list(Engine("first").stream(CHAT))
    stream = kept()
    stream.feed(b"".join(first[:3]) + first[3][:-4])
    stream.end()
    rest = stream.asks([json.dumps({"prompt": PROMPT}).encode()])
    assert rest is not None
    assert json.loads(rest.body)["prompt"] == PROMPT + TOKENS[0]


def test_text_with_quotes_is_read_as_json():
    stream, engine = kept(), Engine("second")
    for each in list(Engine("first").stream(CHAT))[:8]:
        assert stream.feed(each) == each
    assert stream.asks([]) is not None
    rest = stream.asks([json.dumps({"prompt": PROMPT}).encode()])
    assert rest is not None
    assert json.loads(rest.body)["prompt"] == PROMPT + "".join(TOKENS[:6])
    assert not engine.asked


def test_an_event_without_end_is_passed_on_as_it_comes():
    stream = kept()
    said = b"data: " + b"x" * (HELD_BYTES - 5)
    assert stream.feed(said[:-1]) == b""
    assert stream.feed(said[-1:]) == said
    assert not stream.can_continue
    assert stream.feed(b"\n\n") == b"\n\n"


def test_nor_is_one_of_the_second_held():
    stream = kept()
    stream.feed(b"".join(list(Engine("first").stream(CHAT))[:5]))
    assert stream.asks([b'{"prompt":"x"}']) is not None
    said = b"data: " + b"x" * (HELD_BYTES - 5)
    assert stream.feed(said[:-1]) == b""
    assert stream.feed(said[-1:]) == said
    assert not stream.can_continue


ERROR = b'data: {"error":{"message":"x"}}\n\n'


@pytest.mark.parametrize("said", [b"data: {nonsense}\n\n", b"".join(list(Engine("first").stream(CHAT))[:5]) + ERROR])
def test_nonsense_and_errors_end_it(said: bytes):
    stream = kept()
    assert stream.feed(said) == said
    assert not stream.can_continue


def test_after_an_error_in_place_of_the_answer_all_is_asked_anew_and_again():
    stream = kept()
    for _ in range(3):
        assert stream.feed(ERROR) == ERROR
        outgoing = stream.asks(())
        assert outgoing is not None
        assert outgoing.path == "/v1/chat/completions"
    role = b'data: {"choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n'
    assert stream.feed(role) == role


def test_the_second_tells_the_stop_word_that_it_met():
    stream = kept()
    stream.feed(b"".join(list(Engine("first").stream(CHAT))[:5]))
    assert stream.asks([json.dumps({"prompt": PROMPT}).encode()]) is not None
    last = {"text": "", "index": 0, "finish_reason": "stop"}
    [end] = stream.feed(event({"choices": [last], "__verbose": {"stopping_word": "!"}})).split(b"\n\n")[:-1]
    told = json.loads(end.removeprefix(b"data: "))
    assert told["choices"] == [{"finish_reason": "stop", "index": 0, "delta": {}}]
    assert told["__verbose"] == {"stopping_word": "!"}


def test_an_error_of_the_second_is_passed_on():
    stream = kept()
    stream.feed(b"".join(list(Engine("first").stream(CHAT))[:5]))
    answers = [json.dumps({"prompt": PROMPT}).encode()]
    assert stream.asks(answers) is not None
    said = b'data: {"error":{"message":"x"}}\n\n'
    assert stream.feed(said) == said
    assert not stream.can_continue


@pytest.mark.parametrize(
    ("messages", "answers"),
    [
        ([{"role": "user", "content": [{"type": "image_url"}]}], []),
        ("nonsense", []),
        (MESSAGES, [b'{"prompt":"<|assistant|><think>\\n"}']),
        (MESSAGES, [b"<html>"]),
        (MESSAGES, [b'{"prompt":"x"}', b"<html>"]),
    ],
)
def test_what_cannot_be_rendered_cannot_be_continued(messages: Any, answers: Sequence[bytes]):
    stream = kept(messages=messages, max_tokens=100)
    stream.feed(b"".join(list(Engine("first").stream(CHAT))[:5]))
    with pytest.raises(NotOffered):
        stream.asks(answers)


def test_only_streams_of_chats_and_completions_are_kept():
    def translator(operation: Operation, *, is_streamed: bool = True, max_bytes: int = 1000, **fields: Any) -> Any:
        engine = LlamaCpp(continuation_max_bytes=max_bytes)
        made = engine.outgoing(ask_of(operation, fields, is_streamed=is_streamed), "m").translate
        return None if made is None else made()

    assert isinstance(translator(CHAT, messages=MESSAGES), Continuation)
    assert isinstance(translator(COMPLETION, prompt="x"), Continuation)
    assert translator(CHAT, is_streamed=False, messages=MESSAGES) is None
    assert translator(CHAT, max_bytes=0, messages=MESSAGES) is None
    assert not isinstance(translator(Operation.RESPONSE, input="x"), Continuation)


def test_a_call_that_must_come_is_still_told_alone():
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    ask = ask_of(CHAT, {"messages": MESSAGES, "tools": [tool], "tool_choice": "required"}, is_streamed=True)
    make = LlamaCpp().outgoing(ask, "m").translate
    assert make is not None
    stream = make()
    assert isinstance(stream, Continuation)
    named = Engine("first").named(CHAT)

    def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
        return event({"choices": [{"finish_reason": reason, "index": 0, "delta": delta}], **named})

    call = chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]})
    assert stream.feed(chunk({"content": "Let me see"})) == b""
    assert stream.can_continue
    asked = stream.asks(())
    assert asked is not None
    assert asked.path == "/v1/chat/completions"
    assert stream.feed(chunk({"content": "Now"}) + call + chunk({}, "tool_calls")) == call + chunk({}, "tool_calls")
    assert not stream.can_continue
