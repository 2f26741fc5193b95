"""`openai`'s client: completions, embeddings, responses, models."""

import json
import math
from collections.abc import Iterable
from typing import Any

import openai
import pytest
from openai.types import Completion
from pydantic import BaseModel

from remuda.engines.tiny import DIMENSIONS
from tests.compat.conftest import SLOW

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("compat")]

COMPLETE: dict[str, Any] = {"model": "remuda-tiny", "temperature": 0, "max_tokens": 8}
EMBED = "remuda-tiny-embed"
RESPOND: dict[str, Any] = {
    "model": "remuda-tiny",
    "input": "Count from 3 to 9.",
    "temperature": 0,
    "max_output_tokens": 40,
}
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
PROMPTS = ["The capital of France is", "1, 2, 3,"]


class Animal(BaseModel):
    """What the client parses a response into."""

    name: str
    is_woolly: bool


def text_of(chunks: Iterable[Completion], index: int) -> str:
    return "".join(choice.text for chunk in chunks for choice in chunk.choices if choice.index == index)


def test_a_completion_whole_and_streamed(client: openai.OpenAI) -> None:
    whole = client.completions.create(**COMPLETE, prompt=PROMPTS[0])
    (choice,) = whole.choices
    assert choice.text
    assert whole.object == "text_completion"
    assert whole.usage is not None
    assert 0 < whole.usage.completion_tokens <= 8
    chunks = list(client.completions.create(**COMPLETE, prompt=PROMPTS[0], stream=True))
    assert text_of(chunks, 0) == choice.text
    assert [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason] == [choice.finish_reason]


def test_completions_of_several_prompts(client: openai.OpenAI) -> None:
    alone = [client.completions.create(**COMPLETE, prompt=prompt) for prompt in PROMPTS]
    both = client.completions.create(**COMPLETE, prompt=PROMPTS)
    texts = [answer.choices[0].text for answer in alone]
    assert [(choice.index, choice.text) for choice in both.choices] == list(enumerate(texts))
    usages = [answer.usage for answer in alone if answer.usage is not None]
    assert both.usage is not None
    assert both.usage.prompt_tokens == sum(usage.prompt_tokens for usage in usages)
    assert both.usage.completion_tokens == sum(usage.completion_tokens for usage in usages)
    options: Any = {"include_usage": True}
    chunks = list(client.completions.create(**COMPLETE, prompt=PROMPTS, stream=True, stream_options=options))
    assert [text_of(chunks, 0), text_of(chunks, 1)] == texts
    last = [chunk.usage for chunk in chunks if chunk.usage is not None][-1]
    assert (last.prompt_tokens, last.completion_tokens) == (
        both.usage.prompt_tokens,
        both.usage.completion_tokens,
    )


def test_a_completion_of_tokens(client: openai.OpenAI) -> None:
    assert client.completions.create(**COMPLETE, prompt=[1, 2, 3]).choices[0].text


def test_vectors_are_the_same_in_either_encoding(client: openai.OpenAI) -> None:
    texts = ["What is a llama?", "A llama is a woolly animal from the Andes."]
    floats = client.embeddings.create(model=EMBED, input=texts, encoding_format="float")
    coded = client.embeddings.create(model=EMBED, input=texts, encoding_format="base64")
    unsaid = client.embeddings.create(model=EMBED, input=texts)
    assert [(item.index, item.object) for item in floats.data] == [(0, "embedding"), (1, "embedding")]
    assert isinstance(coded.data[0].embedding, str)
    for item, other in zip(floats.data, unsaid.data, strict=True):
        assert len(item.embedding) == DIMENSIONS
        assert math.sqrt(sum(x * x for x in item.embedding)) == pytest.approx(1, abs=1e-3)
        # What the client asks for unasked is base64: four bytes a number, as against decimal text.
        assert item.embedding == pytest.approx(other.embedding, abs=1e-6)
    assert floats.usage.prompt_tokens > 0
    assert floats.usage.total_tokens == floats.usage.prompt_tokens


def test_a_size_of_vectors_is_refused_rather_than_passed_over(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=EMBED, input="a llama", dimensions=64)
    assert caught.value.param == "dimensions"


def test_vectors_of_one_text_of_many_and_of_tokens(client: openai.OpenAI) -> None:
    def vectors(given: Any) -> list[list[float]]:
        return [item.embedding for item in client.embeddings.create(model=EMBED, input=given).data]

    (one,) = vectors("a llama")
    many = vectors(["a llama", "a river"])
    assert many[0] == pytest.approx(one, abs=1e-3)
    assert many[1] != pytest.approx(one, abs=1e-2)
    (tokens,) = vectors([40, 41, 42])
    lists = vectors([[40, 41, 42], [50, 51]])
    assert lists[0] == pytest.approx(tokens, abs=1e-3)
    assert len(lists) == 2


def test_a_response_whole_and_streamed(client: openai.OpenAI) -> None:
    whole = client.responses.create(**RESPOND)
    assert whole.output_text
    assert (whole.object, whole.model) == ("response", "remuda-tiny")
    assert whole.usage is not None
    assert 0 < whole.usage.output_tokens <= 40
    events = list(client.responses.create(**RESPOND, stream=True))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds.count("response.in_progress") == 1
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == whole.output_text
    assert last.response.usage is not None
    assert last.response.usage.output_tokens == whole.usage.output_tokens


def test_the_clients_own_helper_follows_a_streamed_response(client: openai.OpenAI) -> None:
    with client.responses.stream(**RESPOND) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == final.output_text
    assert final.output_text == client.responses.create(**RESPOND).output_text
    assert final.model == "remuda-tiny"
    assert final.created_at > 1_700_000_000


def test_the_clients_own_helper_follows_a_streamed_call(client: openai.OpenAI) -> None:
    asked = {**RESPOND, "input": "What is the weather in Rome?", "tools": [WEATHER]}
    with client.responses.stream(**asked) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_response()
    assert {"response.function_call_arguments.delta", "response.function_call_arguments.done"} <= kinds
    calls = [(item.name, json.loads(item.arguments)) for item in final.output if item.type == "function_call"]
    assert calls == [("get_weather", {"city": "Rome"})]


def test_a_response_of_a_given_structure(client: openai.OpenAI) -> None:
    asked = {**RESPOND, "input": "Describe a llama as JSON.", "max_output_tokens": 100}
    parsed = client.responses.parse(**asked, text_format=Animal).output_parsed
    assert isinstance(parsed, Animal)
    with client.responses.stream(**asked, text_format=Animal) as stream:
        assert stream.get_final_response().output_parsed == parsed


def test_a_response_that_was_cut_is_incomplete(client: openai.OpenAI) -> None:
    asked = {**RESPOND, "max_output_tokens": 3}
    whole = client.responses.create(**asked)
    assert whole.status == "incomplete"
    assert whole.incomplete_details is not None
    assert whole.incomplete_details.reason == "max_output_tokens"
    assert whole.output_text
    last = list(client.responses.create(**asked, stream=True))[-1]
    assert last.type == "response.incomplete"
    assert (last.response.status, last.response.output_text) == ("incomplete", whole.output_text)


def test_what_needs_a_response_to_be_kept_is_not_offered(client: openai.OpenAI) -> None:
    for asked in ({"background": True}, {"conversation": "c"}):
        with pytest.raises(openai.InternalServerError) as caught:
            client.responses.create(**RESPOND, **asked)
        assert caught.value.status_code == 501
        assert caught.value.param == next(iter(asked))


def test_the_models(client: openai.OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert set(listed) == {"remuda-tiny", EMBED, SLOW}
    model = client.models.retrieve("remuda-tiny")
    assert (model.id, model.object) == ("remuda-tiny", "model")
    assert model == listed["remuda-tiny"]
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nope")
