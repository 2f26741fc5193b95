"""`openai`'s client: which of its exceptions each fault is, and what that says."""

from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.compat.conftest import SLOTS, Served, client_of

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("compat")]

TINY = "remuda-tiny"
EMBED = "remuda-tiny-embed"
HELLO: Any = [{"role": "user", "content": "Hello"}]
PICTURE: Any = [
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}
]

Call = Callable[[openai.OpenAI], Any]


def told(error: openai.APIStatusError) -> dict[str, Any]:
    """The `error` object of the body."""
    assert isinstance(error.body, dict)
    return error.body


def chat(**fields: Any) -> Call:
    return lambda client: client.chat.completions.create(**{"model": TINY, "messages": HELLO, **fields})


BAD: list[Any] = [
    pytest.param(chat(temperature="hot"), "temperature", id="a wrong type"),
    pytest.param(chat(messages="Hello"), "messages", id="messages that are none"),
    pytest.param(chat(messages=[{"role": "user"}]), None, id="a message without content"),
    pytest.param(chat(n=0), "n", id="no choice"),
    pytest.param(chat(stream_options=3, stream=True), "stream_options", id="options that are none"),
    pytest.param(chat(messages=PICTURE), "messages", id="a picture for a model that sees none"),
    pytest.param(chat(extra_body={"grammar": "root ::= ("}), None, id="a grammar that is none"),
    pytest.param(lambda c: c.embeddings.create(model=EMBED, input=""), None, id="nothing to embed"),
    pytest.param(lambda c: c.embeddings.create(model=EMBED, input={}), "input", id="an input that is none"),
    pytest.param(lambda c: c.completions.create(model=TINY, prompt=None), "prompt", id="no prompt"),
    pytest.param(lambda c: c.responses.create(model=TINY, input=3), "input", id="a response to nothing"),
    pytest.param(lambda c: c.post("/chat/completions", body=[], cast_to=object), None, id="a list"),
    pytest.param(
        lambda c: c.post("/chat/completions", body={"messages": HELLO}, cast_to=object), "model", id="no model"
    ),
    pytest.param(
        lambda c: c.post("/chat/completions", content=b'{"model": ', cast_to=object), None, id="half a document"
    ),
]


@pytest.mark.parametrize(("call", "parameter"), BAD)
def test_what_a_client_does_wrong_is_a_bad_request(client: openai.OpenAI, call: Call, parameter: str | None) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        call(client)
    error = caught.value
    assert error.type == "invalid_request_error"
    assert error.code
    assert told(error)["message"]
    assert told(error)["request_id"] == error.request_id == error.response.headers["x-request-id"]
    assert error.param == parameter


@pytest.mark.parametrize("is_streamed", [False, True])
def test_more_answers_than_slots_are_refused_with_both_numbers(client: openai.OpenAI, is_streamed: bool) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=TINY, messages=HELLO, n=SLOTS + 1, stream=is_streamed)
    assert told(caught.value)["details"] == {
        "parameter": "n",
        "received_value": SLOTS + 1,
        "expected_type": f"1 to {SLOTS}",
    }


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_prompt_longer_than_the_context_is_told_with_both_numbers(client: openai.OpenAI, is_streamed: bool) -> None:
    long: Any = [{"role": "user", "content": "llama " * 3000}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=TINY, messages=long, stream=is_streamed)
    assert caught.value.code == "context_length_exceeded"
    assert "2048" in caught.value.message
    assert caught.value.param == "messages"
    assert told(caught.value)["details"]["expected_type"] == "at most 2048 tokens"
    assert "30" in caught.value.message
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=EMBED, input="llama " * 3000)
    assert caught.value.code == "context_length_exceeded"
    assert "2048" in caught.value.message


@pytest.mark.parametrize(
    "call",
    [
        chat(model="nope"),
        chat(model="nope", stream=True),
        lambda client: client.embeddings.create(model="nope", input="a"),
        lambda client: client.responses.create(model="nope", input="a"),
        lambda client: client.models.retrieve("nope"),
    ],
)
def test_a_model_nobody_has_is_not_found(client: openai.OpenAI, call: Call) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        call(client)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert told(caught.value)["request_id"] == caught.value.request_id


def test_a_path_nobody_has_is_not_found(served: Served) -> None:
    with client_of(f"{served.url}/v3") as client, pytest.raises(openai.NotFoundError) as caught:
        client.models.list()
    assert told(caught.value)["request_id"] == caught.value.request_id


RERANK = {"model": TINY, "query": "a", "documents": ["b"]}
NOT_OFFERED: list[Any] = [
    lambda client: client.post("/rerank", body=RERANK, cast_to=object),
    lambda client: client.embeddings.create(model=TINY, input="a"),
    lambda client: client.images.generate(model=TINY, prompt="a llama"),
    lambda client: client.audio.speech.create(model=TINY, voice="alloy", input="hello"),
    lambda client: client.audio.transcriptions.create(model=TINY, file=("a.wav", b"RIFF")),
    lambda client: client.moderations.create(input="hello"),
    lambda client: client.fine_tuning.jobs.list(),
    lambda client: client.responses.retrieve("resp_1"),
]


@pytest.mark.parametrize("call", NOT_OFFERED)
def test_what_is_not_offered_is_said_to_be_so(client: openai.OpenAI, call: Call) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        call(client)
    assert caught.value.status_code == 501
    assert caught.value.code == "not_implemented"
    assert told(caught.value)["request_id"] == caught.value.request_id
