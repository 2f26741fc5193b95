"""The real `anthropic` client against the real engine."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import anthropic
import httpx2
import pytest

from tests.compat.conftest import SLOTS, SLOW, Served, client_of

WEATHER: Any = {
    "name": "get_weather",
    "description": "Get the current weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("compat")]

CHAT = "remuda-tiny"
GREEDY = {"temperature": 0}
HELLO: Any = [{"role": "user", "content": "Hello"}]
COUNT: Any = [{"role": "user", "content": "Count from 3 to 9."}]


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
    assert (whole._request_id or "").startswith("req_")
    assert (whole.role, whole.stop_reason, whole.model) == ("assistant", "end_turn", CHAT)
    assert whole.usage.input_tokens + (whole.usage.cache_read_input_tokens or 0) > 0
    assert whole.usage.output_tokens > 0
    with client.messages.stream(model=CHAT, max_tokens=40, extra_body=GREEDY, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == block.text
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", whole.usage.output_tokens)


def test_a_count_is_what_the_prompt_then_has(client: anthropic.Anthropic) -> None:
    cases: list[Any] = [
        {"messages": HELLO},
        {"messages": HELLO, "system": [{"type": "text", "text": "You are brief."}], "tools": [WEATHER]},
        {"messages": [*HELLO, {"role": "assistant", "content": "Hi"}, *HELLO], "thinking": {"type": "adaptive"}},
    ]
    for case in cases:
        counted = client.messages.count_tokens(model=CHAT, **case).input_tokens
        usage = client.messages.create(model=CHAT, max_tokens=1, **case).usage
        assert counted == usage.input_tokens + (usage.cache_read_input_tokens or 0) > 0


def test_a_count_needs_no_slot(client: anthropic.Anthropic, served: Served) -> None:
    # By OpenAI's API: Anthropic's has no word against an early end, which a random model comes to now and then.
    ask: Any = {"model": SLOW, "max_tokens": 3000, "messages": HELLO, "extra_body": {"ignore_eos": True}}
    with ExitStack() as stack:
        other = stack.enter_context(client_of(f"{served.url}/v1"))
        for _ in range(SLOTS):
            next(iter(stack.enter_context(other.chat.completions.create(**ask, stream=True))))
        assert served.slots_in_use == SLOTS
        assert client.messages.count_tokens(model=SLOW, messages=HELLO).input_tokens > 0
        assert served.slots_in_use == SLOTS


@pytest.mark.parametrize("is_streamed", [False, True])
def test_the_sequence_that_ended_it_is_told(client: anthropic.Anthropic, is_streamed: bool) -> None:
    common: Any = {"model": CHAT, "max_tokens": 60, "extra_body": GREEDY, "messages": COUNT}
    whole: Any = client.messages.create(**common).content[0]
    sequences = ["nowhere to be found", whole.text[4:7]]
    if is_streamed:
        with client.messages.stream(stop_sequences=sequences, **common) as stream:
            answer: Any = stream.get_final_message()
    else:
        answer = client.messages.create(stop_sequences=sequences, **common)
    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", sequences[1])
    assert answer.content[0].text == whole.text[: whole.text.index(sequences[1])]
    natural = client.messages.create(stop_sequences=sequences[:1], **common)
    assert (natural.stop_reason, natural.stop_sequence) == ("end_turn", None)


def test_an_answer_that_was_begun_for_it_is_gone_on_with(client: anthropic.Anthropic) -> None:
    begun: Any = [*COUNT, {"role": "assistant", "content": "3, 4,"}]
    answer: Any = client.messages.create(model=CHAT, max_tokens=60, extra_body=GREEDY, messages=begun)
    assert answer.content[0].text


def test_an_answer_of_a_given_form(client: anthropic.Anthropic) -> None:
    schema: Any = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "is_woolly": {"type": "boolean"}},
        "required": ["name", "is_woolly"],
        "additionalProperties": False,
    }
    answer: Any = client.messages.create(
        model=CHAT,
        max_tokens=100,
        extra_body=GREEDY,
        messages=[{"role": "user", "content": "Describe a llama as JSON."}],
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )
    assert set(json.loads(answer.content[0].text)) == {"name", "is_woolly"}


def test_raw_events_are_named_as_they_should_be(client: anthropic.Anthropic) -> None:
    events = client.messages.create(model=CHAT, max_tokens=8, extra_body=GREEDY, messages=HELLO, stream=True)
    kinds = [event.type for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]  # the client keeps pings to itself
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}


async def test_the_asynchronous_client(served: Served) -> None:
    http = httpx2.AsyncClient(trust_env=False)
    async with anthropic.AsyncAnthropic(
        base_url=served.url, auth_token="none", api_key=None, max_retries=0, http_client=http
    ) as client:
        async with client.messages.stream(model=CHAT, max_tokens=20, extra_body=GREEDY, messages=HELLO) as stream:
            text = "".join([piece async for piece in stream.text_stream])
        assert text


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


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_tool_that_has_to_be_called_is_called(client: anthropic.Anthropic, choice: Any, is_streamed: bool) -> None:
    clock: Any = {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}
    common: Any = {
        "model": CHAT,
        "max_tokens": 120,
        "extra_body": GREEDY,
        "messages": [{"role": "user", "content": "What is the weather in Rome?"}],
        "tools": [clock, WEATHER] if choice["type"] == "tool" else [WEATHER],
        "tool_choice": choice,
    }
    if is_streamed:
        with client.messages.stream(**common) as stream:
            answer: Any = stream.get_final_message()
    else:
        answer = client.messages.create(**common)
    assert [(block.type, block.name) for block in answer.content] == [("tool_use", "get_weather")]
    assert isinstance(answer.content[0].input["city"], str)
    assert answer.stop_reason == "tool_use"


def test_pictures_and_what_else_the_model_cannot_read_are_refused(client: anthropic.Anthropic) -> None:
    sources: Any = [
        {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
        {"type": "url", "url": "http://127.0.0.1:9/x.png"},
        {"type": "file", "file_id": "f"},
    ]
    for source in sources:
        with pytest.raises(anthropic.BadRequestError):
            client.messages.create(
                model=CHAT,
                max_tokens=1,
                messages=[{"role": "user", "content": [{"type": "image", "source": source}]}],
            )


def test_thinking_stands_apart(client: anthropic.Anthropic) -> None:
    answer: Any = client.messages.create(
        model=CHAT, max_tokens=1200, messages=HELLO, thinking={"type": "enabled", "budget_tokens": 1024}
    )
    assert answer.content[0].type == "thinking"
    assert answer.content[0].thinking
    unasked: Any = client.messages.create(model=CHAT, max_tokens=100, messages=HELLO)
    assert [block.type for block in unasked.content] == ["text"]


def test_thoughts_are_streamed_bounded_and_taken_back(client: anthropic.Anthropic) -> None:
    common: Any = {"model": CHAT, "max_tokens": 120, "extra_body": GREEDY}
    asked: Any = {**common, "messages": COUNT, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    with client.messages.stream(**asked) as stream:
        kinds = {event.type for event in stream}
        answer: Any = stream.get_final_message()
    assert {"thinking", "text"} <= kinds
    assert [block.type for block in answer.content] == ["thinking", "text"]
    short: Any = client.messages.create(**{**asked, "thinking": {"type": "enabled", "budget_tokens": 2}})
    assert len(short.content[0].thinking) < len(answer.content[0].thinking)
    after: Any = [*COUNT, {"role": "assistant", "content": answer.content}, *HELLO]
    assert client.messages.create(messages=after, **common).content


def test_errors_are_of_their_classes(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as unknown:
        client.messages.create(model="nope", max_tokens=1, messages=HELLO)
    body: Any = unknown.value.body
    assert body["error"]["type"] == "not_found_error"
    assert unknown.value.request_id == body["request_id"]
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(model=CHAT, max_tokens=0, messages=HELLO)
    search: Any = [{"type": "web_search_20250305", "name": "web_search"}]
    with pytest.raises(anthropic.BadRequestError, match="web_search_20250305"):
        client.messages.create(model=CHAT, max_tokens=1, messages=HELLO, tools=search)
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("nope")
    with pytest.raises(anthropic.NotFoundError):
        client.messages.count_tokens(model="nope", messages=HELLO)
    with pytest.raises(anthropic.InternalServerError) as not_offered:
        client.messages.batches.list()
    assert not_offered.value.status_code == 501
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
