"""What the fake says, as values."""

import base64
import struct
from typing import Any

import msgspec
import pytest

from remuda.testing import answers
from remuda.testing.answers import Answer, Kind
from remuda.testing.behaviour import Behaviour, UsageMode

ASK: dict[str, Any] = {"model": "fake", "messages": [{"role": "user", "content": "four words of prompt"}]}


def body(answer: Answer) -> Any:
    return msgspec.json.decode(answer.parts[0].data)


def events(answer: Answer) -> list[Any]:
    datas = [part.data.partition(b"data: ")[2].strip() for part in answer.parts]
    return [data.decode() if data == b"[DONE]" else msgspec.json.decode(data) for data in datas]


def test_a_chat_says_the_same_streamed_and_whole() -> None:
    whole = body(answers.chat(1, ASK, Behaviour(tokens=5)))
    stream = events(answers.chat(1, ASK | {"stream": True}, Behaviour(tokens=5)))
    said = "".join(e["choices"][0]["delta"].get("content", "") for e in stream[:-1])
    assert said == whole["choices"][0]["message"]["content"] != ""
    assert whole["usage"]["completion_tokens"] == 5
    assert whole["usage"]["prompt_tokens"] == 4
    assert stream[-2]["choices"][0]["finish_reason"] == "stop"
    assert stream[-1] == "[DONE]"
    assert "usage" not in stream[0]


def test_an_echo_is_the_last_word_of_the_prompt_numbered() -> None:
    echo = Behaviour(echo=True, tokens=2)
    messages = [{"role": "user", "content": [{"type": "text", "text": "say me"}]}]
    [choice] = body(answers.chat(1, {"messages": messages}, echo))["choices"]
    assert choice["message"]["content"] == "me.0 me.1 "
    assert body(answers.completion(1, {"prompt": "me"}, echo))["choices"][0]["text"] == "me.0 me.1 "
    assert body(answers.responses(1, {"input": "me"}, echo))["output"][0]["content"][0]["text"] == "me.0 me.1 "


def test_every_choice_is_streamed_and_counted() -> None:
    answer = answers.chat(
        1, ASK | {"stream": True, "n": 2, "stream_options": {"include_usage": True}}, Behaviour(tokens=3)
    )
    stream = events(answer)
    assert [e["choices"][0]["index"] for e in stream[:6]] == [0, 1, 0, 1, 0, 1]
    assert stream[-2]["usage"]["completion_tokens"] == 6
    assert len(body(answers.chat(1, ASK | {"n": 2}, Behaviour()))["choices"]) == 2


@pytest.mark.parametrize("word", ["max_tokens", "max_completion_tokens"])
def test_a_bound_on_tokens_is_kept_and_told(word: str) -> None:
    choice = body(answers.chat(1, ASK | {word: 2}, Behaviour(tokens=5)))["choices"][0]
    assert choice["finish_reason"] == "length"
    assert len(choice["message"]["content"].split()) == 2


@pytest.mark.parametrize(
    ("mode", "asked", "told"),
    [
        (UsageMode.ASKED, True, True),
        (UsageMode.ASKED, False, False),
        (UsageMode.ALWAYS, False, True),
        (UsageMode.NEVER, True, False),
    ],
)
def test_usage_is_told_when_it_is_to_be(mode: UsageMode, asked: bool, told: bool) -> None:
    ask = ASK | {"stream": True} | ({"stream_options": {"include_usage": True}} if asked else {})
    stream = events(answers.chat(1, ask, Behaviour(usage=mode)))
    assert any(e.get("usage") for e in stream[:-1]) is told


def test_what_was_kept_of_a_prompt_is_what_it_is_told_to_say() -> None:
    ask = ASK | {"messages": [{"role": "user", "content": "one two three four"}]}
    for share, cached in ((0.0, 0), (0.5, 2), (1.0, 4)):
        answer = body(answers.chat(1, ask, Behaviour(cached_share=share)))
        assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": cached}


def test_usage_null_stands_in_every_chunk() -> None:
    stream = events(answers.chat(1, ASK | {"stream": True}, Behaviour(usage_null=True)))
    assert all("usage" in e and e["usage"] is None for e in stream[:-1])


def test_a_huge_body_is_huge() -> None:
    assert answers.chat(1, ASK, Behaviour(body_bytes=100_000)).size_bytes > 100_000
    assert answers.chat(1, ASK | {"stream": True}, Behaviour(body_bytes=100_000)).size_bytes > 100_000


def test_completions_and_responses_have_their_own_shapes() -> None:
    completion = body(answers.completion(1, {"model": "fake", "prompt": "a b"}, Behaviour(tokens=2)))
    assert completion["choices"][0]["text"] == "The herd"
    assert completion["usage"]["prompt_tokens"] == 2
    stream = events(answers.completion(1, {"model": "fake", "prompt": "a", "stream": True}, Behaviour(tokens=2)))
    assert "".join(e["choices"][0]["text"] for e in stream[:-1]) == "The herd"
    response = body(answers.responses(1, {"model": "fake", "input": "a b c"}, Behaviour(tokens=2)))
    assert response["output"][0]["content"][0]["text"] == "The herd"
    assert response["usage"] == {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    spoken = answers.responses(1, {"model": "fake", "input": "a", "stream": True}, Behaviour(tokens=2))
    assert [e["type"] for e in events(spoken)] == [
        "response.created",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.completed",
    ]
    assert Kind.DONE not in {part.kind for part in spoken.parts}


@pytest.mark.parametrize(("given", "n"), [("one", 1), (["one", "two"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2)])
def test_embeddings_take_every_kind_of_input(given: Any, n: int) -> None:
    answer = body(answers.embeddings({"model": "fake", "input": given}))
    assert [row["index"] for row in answer["data"]] == list(range(n))
    coded = body(answers.embeddings({"model": "fake", "input": given, "encoding_format": "base64"}))
    numbers = struct.unpack(f"<{answers.EMBEDDING_SIZE}f", base64.b64decode(coded["data"][0]["embedding"]))
    assert numbers == pytest.approx(answer["data"][0]["embedding"])


def test_rerank_puts_the_document_that_shares_most_words_first() -> None:
    ask = {"model": "fake", "query": "red horse", "documents": ["a cow", "the red horse", "a horse"], "top_n": 2}
    assert [row["index"] for row in body(answers.rerank(ask))["results"]] == [1, 2]
