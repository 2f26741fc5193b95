"""`openai`'s client: chat, streamed or not, as against OpenAI itself."""

import json
from collections.abc import Iterable
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.compat.conftest import Served, client_of

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("compat")]

COUNT = "Count from 3 to 9."
ASK: dict[str, Any] = {
    "model": "remuda-tiny",
    "messages": [{"role": "user", "content": COUNT}],
    "temperature": 0,
    "max_tokens": 40,
}


def text_of(chunks: Iterable[ChatCompletionChunk], index: int = 0) -> str:
    parts = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
    return "".join(part.delta.content or "" for part in parts)


def test_a_stream_says_what_a_whole_answer_says(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(**ASK)
    chunks = list(client.chat.completions.create(**ASK, stream=True))
    (choice,) = whole.choices
    assert choice.message.content
    assert choice.message.role == "assistant"
    assert text_of(chunks) == choice.message.content
    assert [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason] == [choice.finish_reason]
    assert (whole.object, whole.model) == ("chat.completion", "remuda-tiny")
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_asynchronous_client_hears_the_same(client: openai.OpenAI, asynchronous: openai.AsyncOpenAI) -> None:
    whole = await asynchronous.chat.completions.create(**ASK)
    chunks = [chunk async for chunk in await asynchronous.chat.completions.create(**ASK, stream=True)]
    assert text_of(chunks) == whole.choices[0].message.content
    assert client.chat.completions.create(**ASK).choices[0].message.content == whole.choices[0].message.content


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What do llamas eat?", "Llamas eat grass, hay and leaves."),
        ("What is the capital of France?", "The capital of France is Paris."),
        ("Count from 3 to 9.", "3, 4, 5, 6, 7, 8, 9"),
        ("Repeat after me: green river llama", "green river llama"),
    ],
)
def test_the_shipped_model_answers(client: openai.OpenAI, question: str, answer: str) -> None:
    asked = {**ASK, "messages": [{"role": "user", "content": question}]}
    (choice,) = client.chat.completions.create(**asked).choices
    assert (choice.message.content, choice.finish_reason) == (answer, "stop")
    assert text_of(client.chat.completions.create(**asked, stream=True)) == answer


def test_usage_adds_up_and_is_there_unasked(client: openai.OpenAI) -> None:
    usage = client.chat.completions.create(**ASK).usage
    assert usage is not None
    assert usage.prompt_tokens > 0
    assert 0 < usage.completion_tokens <= 40
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_a_stream_tells_usage_once_where_it_is_asked_to(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(**ASK).usage
    chunks = list(client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))
    told = [chunk for chunk in chunks if chunk.usage is not None]
    assert told == [chunks[-1]], "it is the last chunk"
    assert chunks[-1].choices == []
    assert whole is not None
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (
        whole.prompt_tokens,
        whole.completion_tokens,
    )


def test_a_stream_holds_nothing_that_was_not_asked_for(served: Served) -> None:
    ask = {**ASK, "stream": True, "messages": [{"role": "user", "content": f"{COUNT} " * 40}]}
    answer = httpx.post(f"{served.url}/v1/chat/completions", json=ask, trust_env=False, timeout=60)
    *events, done, rest = answer.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert all(chunk.get("usage") is None and chunk["choices"] for chunk in chunks)
    assert not any("prompt_progress" in chunk for chunk in chunks)
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_progress_is_passed_on_to_who_asks_for_it(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(**ASK, stream=True, extra_body={"return_progress": True}))
    assert any("prompt_progress" in (chunk.model_extra or {}) for chunk in chunks)


def test_max_tokens_ends_an_answer(client: openai.OpenAI) -> None:
    for bound in ({"max_tokens": 3}, {"max_tokens": None, "max_completion_tokens": 3}):
        asked = {name: value for name, value in {**ASK, **bound}.items() if value is not None}
        whole = client.chat.completions.create(**asked)
        assert whole.choices[0].finish_reason == "length"
        assert whole.usage is not None
        assert whole.usage.completion_tokens == 3
        chunks = list(client.chat.completions.create(**asked, stream=True))
        assert [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason] == ["length"]


def test_a_stop_word_ends_an_answer_before_itself(client: openai.OpenAI) -> None:
    full = client.chat.completions.create(**ASK).choices[0].message.content
    assert full is not None
    word = full[4]
    for stop in (word, [word]):
        (choice,) = client.chat.completions.create(**ASK, stop=stop).choices
        assert (choice.message.content, choice.finish_reason) == (full.partition(word)[0], "stop")
        assert text_of(client.chat.completions.create(**ASK, stop=stop, stream=True)) == full.partition(word)[0]


def test_a_seed_repeats_an_answer(client: openai.OpenAI) -> None:
    story = [{"role": "user", "content": "Tell me a story."}]
    lively = {**ASK, "messages": story, "temperature": 1.5, "max_tokens": 24}

    def said(seed: int) -> str | None:
        return client.chat.completions.create(**lively, seed=seed).choices[0].message.content

    assert said(1) == said(1)
    assert len({said(seed) for seed in range(5)}) > 1


def test_logprobs_whole_and_streamed(client: openai.OpenAI) -> None:
    asked = {**ASK, "max_tokens": 3, "logprobs": True, "top_logprobs": 2}
    (choice,) = client.chat.completions.create(**asked).choices
    assert choice.logprobs is not None
    tokens = choice.logprobs.content
    assert tokens is not None
    assert "".join(token.token for token in tokens) == choice.message.content
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens)
    streamed = [
        token.token
        for chunk in client.chat.completions.create(**asked, stream=True)
        for part in chunk.choices
        for token in (part.logprobs.content if part.logprobs else None) or ()
    ]
    assert streamed == [token.token for token in tokens]
    assert client.chat.completions.create(**ASK).choices[0].logprobs is None


def test_two_choices_cost_two_answers_and_one_prompt(client: openai.OpenAI) -> None:
    one = client.chat.completions.create(**ASK).usage
    two = client.chat.completions.create(**ASK, n=2)
    assert one is not None
    assert two.usage is not None
    assert [choice.index for choice in two.choices] == [0, 1]
    assert two.choices[0].message.content == two.choices[1].message.content
    assert (two.usage.prompt_tokens, two.usage.completion_tokens) == (one.prompt_tokens, 2 * one.completion_tokens)
    assert two.usage.total_tokens == two.usage.prompt_tokens + two.usage.completion_tokens
    chunks = list(client.chat.completions.create(**ASK, n=2, stream=True, stream_options={"include_usage": True}))
    assert text_of(chunks, 0) == text_of(chunks, 1) == two.choices[0].message.content
    [told] = [chunk.usage for chunk in chunks if chunk.usage is not None]
    assert chunks[-1].usage is told
    assert (told.prompt_tokens, told.completion_tokens) == (two.usage.prompt_tokens, two.usage.completion_tokens)
    assert all(chunk.usage is None for chunk in client.chat.completions.create(**ASK, n=2, stream=True))


def test_thoughts_come_apart_from_the_answer(client: openai.OpenAI) -> None:
    asked = {**ASK, "max_tokens": 120, "extra_body": {"chat_template_kwargs": {"enable_thinking": True}}}
    message = client.chat.completions.create(**asked).choices[0].message
    thought = getattr(message, "reasoning_content", None)
    assert thought
    chunks = list(client.chat.completions.create(**asked, stream=True))
    parts = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(getattr(part, "reasoning_content", None) or "" for part in parts) == thought
    assert text_of(chunks) == (message.content or "")
    assert not getattr(client.chat.completions.create(**ASK).choices[0].message, "reasoning_content", None)


def test_a_conversation_with_all_kinds_of_messages(client: openai.OpenAI) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'}}
    messages: Any = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": [{"type": "text", "text": "What is the weather in Rome?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "21 degrees"},
        {"role": "assistant", "content": "It is 21 degrees in Rome."},
        {"role": "user", "content": COUNT},
    ]
    answer = client.chat.completions.create(**{**ASK, "messages": messages})
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 50


def test_a_conversation_is_remembered(client: openai.OpenAI) -> None:
    messages: Any = [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Nice to meet you, Ada!"},
        {"role": "user", "content": "What is my name?"},
    ]
    answer = client.chat.completions.create(**{**ASK, "messages": messages})
    assert answer.choices[0].message.content == "Your name is Ada."


def test_v2_is_the_same(served: Served, client: openai.OpenAI) -> None:
    with client_of(f"{served.url}/v2") as second:
        there = second.chat.completions.create(**ASK).choices[0].message.content
        assert there == client.chat.completions.create(**ASK).choices[0].message.content
        assert [m.id for m in second.models.list()] == [m.id for m in client.models.list()]


def test_what_an_answers_head_tells(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(**ASK, extra_headers={"X-Request-ID": "mine-7"})
    assert raw.headers["x-request-id"] == "mine-7"
    assert raw.headers["x-remuda-replica"] == "local/remuda-tiny"
    assert float(raw.headers["x-remuda-overhead-ms"]) >= 0
    assert raw.headers["x-content-type-options"] == "nosniff"
    assert raw.parse()._request_id == "mine-7"
    assert client.chat.completions.create(**ASK)._request_id
