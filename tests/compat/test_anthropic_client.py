"""The real `anthropic` client against the real engine."""

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest

from tests.compat.conftest import Served

WEATHER: Any = {
    "name": "get_weather",
    "description": "Get the current weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CHAT = "remuda-tiny"
GREEDY = {"temperature": 0}
HELLO: Any = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def client(served: Served) -> Iterator[anthropic.Anthropic]:
    http = httpx2.Client(trust_env=False)
    with anthropic.Anthropic(base_url=served.url, api_key="none", max_retries=0, http_client=http) as made:
        yield made
    served.at_rest()


def test_an_answer_and_the_same_streamed(client: anthropic.Anthropic) -> None:
    whole = client.messages.create(model=CHAT, max_tokens=40, extra_body=GREEDY, messages=HELLO)
    [block] = whole.content
    assert block.type == "text"
    assert (whole.role, whole.stop_reason, whole.model) == ("assistant", "end_turn", CHAT)
    assert whole.usage.input_tokens + (whole.usage.cache_read_input_tokens or 0) > 0
    assert whole.usage.output_tokens > 0
    with client.messages.stream(model=CHAT, max_tokens=40, extra_body=GREEDY, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == block.text
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", whole.usage.output_tokens)


def test_limits_and_system(client: anthropic.Anthropic) -> None:
    cut = client.messages.create(model=CHAT, max_tokens=3, extra_body=GREEDY, system="You are brief.", messages=HELLO)
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 3)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_tool_loop(client: anthropic.Anthropic, is_streamed: bool) -> None:
    asked: Any = [{"role": "user", "content": "What is the weather in Rome?"}]
    common: Any = {"model": CHAT, "max_tokens": 120, "extra_body": GREEDY, "tools": [WEATHER]}
    if is_streamed:
        with client.messages.stream(messages=asked, **common) as stream:
            answer: Any = stream.get_final_message()
    else:
        answer = client.messages.create(messages=asked, **common)
    assert answer.stop_reason == "tool_use"
    call = answer.content[-1]
    assert (call.type, call.name, call.input) == ("tool_use", "get_weather", {"city": "Rome"})
    said = [block.model_dump(include={"type", "text", "id", "name", "input"}) for block in answer.content]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees"}
    after = [*asked, {"role": "assistant", "content": said}, {"role": "user", "content": [result]}]
    final = client.messages.create(messages=after, **common)
    assert final.content[0].type == "text"


def test_thinking_stands_apart(client: anthropic.Anthropic) -> None:
    answer: Any = client.messages.create(
        model=CHAT, max_tokens=1200, messages=HELLO, thinking={"type": "enabled", "budget_tokens": 1024}
    )
    assert answer.content[0].type == "thinking"
    assert answer.content[0].thinking


def test_errors_are_of_their_classes(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as unknown:
        client.messages.create(model="nope", max_tokens=1, messages=HELLO)
    body: Any = unknown.value.body
    assert body["error"]["type"] == "not_found_error"
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(model=CHAT, max_tokens=0, messages=HELLO)
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(model=CHAT, max_tokens=1, messages=[{"role": "user", "content": "long " * 20_000}])


def test_models(client: anthropic.Anthropic) -> None:
    assert CHAT in [model.id for model in client.models.list()]
    assert client.models.retrieve(CHAT).type == "model"


def test_who_leaves_in_mid_stream_leaves_the_engine_free(client: anthropic.Anthropic, served: Served) -> None:
    ask: Any = {"model": CHAT, "max_tokens": 1500, "messages": [{"role": "user", "content": "Tell me a story."}]}
    with client.messages.stream(**ask) as stream:
        next(iter(stream.text_stream))
    served.at_rest()
