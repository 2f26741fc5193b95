"""`ollama`'s client against a real gateway with the real engine."""

import json
from collections.abc import Iterator
from typing import Any

import ollama
import pytest
from pydantic import BaseModel

from remuda.engines.tiny import DIMENSIONS
from tests.compat.conftest import SLOW, Served

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("compat")]

CHAT = "remuda-tiny"
EMBED = "remuda-tiny-embed"
HELLO: Any = [{"role": "user", "content": "Count from 3 to 9."}]
GREEDY = {"temperature": 0, "num_predict": 24}
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Animal(BaseModel):
    """What the client asks the answer to look like."""

    name: str
    is_woolly: bool


@pytest.fixture
def client(served: Served) -> Iterator[ollama.Client]:
    with ollama.Client(served.url, trust_env=False, timeout=60) as made:
        yield made


def test_a_chat_whole_and_streamed(client: ollama.Client, served: Served) -> None:
    whole = client.chat(CHAT, HELLO, options=GREEDY)
    assert whole.message.role == "assistant"
    assert whole.message.content
    assert (whole.model, whole.done) == (CHAT, True)
    assert whole.done_reason in ("stop", "length")
    parts = list(client.chat(CHAT, HELLO, options=GREEDY, stream=True))
    assert "".join(part.message.content or "" for part in parts) == whole.message.content
    assert len(parts) > 2
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    for last in (whole, parts[-1]):
        assert 0 < (last.eval_count or 0) <= GREEDY["num_predict"]
        assert (last.prompt_eval_count or 0) > 0
        assert (last.total_duration or 0) >= (last.eval_duration or 0) > 0
        assert (last.prompt_eval_duration or 0) > 0
        assert (last.created_at or "").endswith("Z")
    assert parts[-1].done_reason == whole.done_reason
    served.at_rest()


def test_options_reach_the_engine(client: ollama.Client) -> None:
    cut = client.chat(CHAT, HELLO, options={"temperature": 0, "num_predict": 3})
    assert (cut.done_reason, cut.eval_count) == ("length", 3)
    whole = client.chat(CHAT, HELLO, options=GREEDY).message.content or ""
    stop = whole[2:6]
    stopped = client.chat(CHAT, HELLO, options={**GREEDY, "stop": [stop]})
    assert stopped.message.content == whole[: whole.index(stop)]
    free = {"temperature": 1.5, "num_predict": 16, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
    texts = {client.chat(CHAT, HELLO, options={**free, "seed": seed}).message.content for seed in (1, 1, 2, 3)}
    assert 1 < len(texts) <= 3


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_with_an_object_and_its_answer_is_taken(client: ollama.Client, stream: bool) -> None:
    asked: Any = [{"role": "user", "content": "What is the weather in Rome?"}]
    options = {"temperature": 0, "num_predict": 120}
    answer: Any = client.chat(CHAT, asked, tools=[WEATHER], options=options, stream=stream)
    parts = list(answer) if stream else [answer]
    calls = [call for part in parts for call in part.message.tool_calls or ()]
    assert [(call.function.name, call.function.arguments) for call in calls] == [("get_weather", {"city": "Rome"})]
    assert (parts[-1].done, parts[-1].done_reason) == (True, "stop")
    said = [part.message for part in parts if part.message.tool_calls]
    tool = {"role": "tool", "tool_name": "get_weather", "content": "Sunny, 25 degrees"}
    after = client.chat(CHAT, [*asked, *said, tool], tools=[WEATHER], options=options)
    assert after.message.content


def test_an_answer_of_a_given_structure(client: ollama.Client) -> None:
    asked: Any = [{"role": "user", "content": "Describe a llama as JSON."}]
    options = {"temperature": 0, "num_predict": 100}
    schema = Animal.model_json_schema()
    chat = client.chat(CHAT, asked, format=schema, options=options)
    Animal.model_validate_json(chat.message.content or "")
    generated = client.generate(CHAT, "Describe a llama as JSON.", format=schema, options=options)
    Animal.model_validate_json(generated.response or "")


def test_thinking_stands_apart(client: ollama.Client) -> None:
    options = {"temperature": 0, "num_predict": 120}
    whole = client.chat(CHAT, HELLO, think=True, options=options)
    assert whole.message.thinking
    parts = list(client.chat(CHAT, HELLO, think=True, options=options, stream=True))
    assert "".join(part.message.thinking or "" for part in parts) == whole.message.thinking
    assert "".join(part.message.content or "" for part in parts) == whole.message.content
    assert not client.chat(CHAT, HELLO, think=False, options=options).message.thinking
    assert client.generate(CHAT, "Count from 3 to 9.", think=True, options=options).thinking == whole.message.thinking


def test_a_prompt_through_the_template_is_a_chat(client: ollama.Client) -> None:
    chat = client.chat(CHAT, HELLO, options=GREEDY).message.content
    whole = client.generate(CHAT, "Count from 3 to 9.", options=GREEDY)
    assert (whole.response, whole.done) == (chat, True)
    parts = list(client.generate(CHAT, "Count from 3 to 9.", options=GREEDY, stream=True))
    assert "".join(part.response or "" for part in parts) == chat
    assert parts[-1].done_reason == whole.done_reason


def test_a_raw_prompt_is_continued(client: ollama.Client) -> None:
    whole = client.generate(CHAT, "The capital of France is", raw=True, options=GREEDY)
    assert whole.response
    assert (whole.eval_count or 0) > 0
    parts = list(client.generate(CHAT, "The capital of France is", raw=True, options=GREEDY, stream=True))
    assert "".join(part.response or "" for part in parts) == whole.response
    assert parts[-1].eval_count == whole.eval_count


def test_what_cannot_be_translated_is_refused_in_words(client: ollama.Client) -> None:
    for asked in ({"suffix": "}"}, {"template": "{{ .Prompt }}"}, {"context": [1, 2]}, {"raw": True, "format": "json"}):
        with pytest.raises(ollama.ResponseError) as caught:
            client.generate(CHAT, "A llama", **asked)
        assert caught.value.status_code == 400
        assert f"'{list(asked)[-1]}'" in caught.value.error


def test_no_prompt_loads_the_model(client: ollama.Client) -> None:
    generated = client.generate(CHAT)
    assert (generated.response, generated.done, generated.done_reason) == ("", True, "load")
    chat = client.chat(CHAT, [])
    assert (chat.message.content, chat.done_reason) == ("", "load")
    assert [part.done_reason for part in client.chat(CHAT, [], stream=True)] == ["load"]


def test_vectors_of_one_text_and_of_many(client: ollama.Client) -> None:
    one = client.embed(EMBED, "What is a llama?")
    many = client.embed(EMBED, ["What is a llama?", "A river"])
    (vector,) = one.embeddings
    assert len(vector) == DIMENSIONS
    assert len(many.embeddings) == 2
    assert many.embeddings[0] == pytest.approx(vector, abs=1e-3)
    assert (one.prompt_eval_count or 0) > 0
    assert client.embeddings(EMBED, "What is a llama?").embedding == pytest.approx(vector, abs=1e-3)


def test_lists(client: ollama.Client) -> None:
    assert {model.model for model in client.list().models} == {CHAT, EMBED, SLOW}
    client.chat(CHAT, [])
    running = {model.name: model for model in client.ps().models}
    assert (running[CHAT].context_length or 0) > 0
    shown = client.show(CHAT)
    assert shown.capabilities == ["completion", "tools", "thinking"]
    assert (shown.modelinfo or {})["general.basename"] == CHAT


def test_a_name_means_its_latest_tag(client: ollama.Client) -> None:
    assert client.chat(f"{CHAT}:latest", HELLO, options=GREEDY).model == f"{CHAT}:latest"
    assert client.show(f"{CHAT}:latest").capabilities


def test_an_unknown_model_is_not_found(client: ollama.Client) -> None:
    tries: Any = (
        lambda: client.chat("nope", HELLO),
        lambda: list(client.chat("nope", HELLO, stream=True)),
        lambda: client.generate("nope", "Hello"),
        lambda: client.embed("nope", "Hello"),
        lambda: client.show("nope"),
    )
    for ask in tries:
        with pytest.raises(ollama.ResponseError) as caught:
            ask()
        assert (caught.value.status_code, caught.value.error) == (404, "model 'nope' not found")


def test_what_is_not_offered_says_what_to_do_instead(client: ollama.Client) -> None:
    for ask in (lambda: client.pull("llama3"), lambda: client.delete(CHAT), lambda: client.copy(CHAT, "b")):
        with pytest.raises(ollama.ResponseError) as caught:
            ask()
        assert caught.value.status_code == 501
        assert "does not offer" in caught.value.error


async def test_the_asynchronous_client_reads_line_by_line(served: Served) -> None:
    async with ollama.AsyncClient(served.url, trust_env=False, timeout=60) as client:
        parts = [part async for part in await client.chat(CHAT, HELLO, options=GREEDY, stream=True)]
        assert (await client.chat(CHAT, HELLO, options=GREEDY)).message.content == "".join(
            part.message.content or "" for part in parts
        )
        assert json.loads(parts[-1].model_dump_json())["done"] is True
