"""The real openai client, a real gateway process, and the transformers engine with our own tiny models."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from remuda.engines.tiny import CHAT, EMBED
from tests.fixtures.converted import need_transformers, write_converted
from tests.fixtures.process import RemudaProcess, remuda_serve, until

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("compat-transformers")]

HELLO = "Hello! I am a tiny language model. How can I help you?"


@pytest.fixture(scope="module")
def gateway() -> Iterator[RemudaProcess]:
    """The chat model by its folder, the embedding model by the variables that other programs use."""
    need_transformers()
    with tempfile.TemporaryDirectory(prefix="rmd") as name:
        chat = write_converted(CHAT, Path(name) / "tiny-chat")
        embed = write_converted(EMBED, Path(name) / "tiny-embed", embeds=True)
        small = {"REMUDA_TRANSFORMERS__THREADS": "1", "MODEL_BACKEND": "transformers", "MODEL_NAME": str(embed)}
        with remuda_serve(Path(name) / "data", "--model", chat, **small) as process:
            yield process


@pytest.fixture(scope="module")
def client(gateway: RemudaProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture
async def aclient(gateway: RemudaProcess) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_both_are_offered(gateway: RemudaProcess, client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny-chat", "tiny-embed"]
    gateway.wait_for('"model": "tiny-chat"')  # the curl to try


def test_a_chat(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="tiny-chat", messages=[{"role": "user", "content": "Hello"}], temperature=0
    )
    assert answer.choices[0].message.content == HELLO
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (9, 15)


def test_a_stream(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="tiny-chat",
        messages=[{"role": "user", "content": "Hello"}],
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    *chunks, last = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == HELLO
    assert last.usage is not None
    assert last.usage.completion_tokens == 15


def test_a_text_goes_on_until_a_stop(client: openai.OpenAI) -> None:
    answer = client.completions.create(
        model="tiny-chat", prompt="Once upon a time", temperature=0, max_tokens=60, stop=["flowers"]
    )
    assert answer.choices[0].text == " there was a goose named Pisco who lived in a garden full of "


def test_vectors(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="tiny-embed", input=["a llama", "the gateway is closed"])
    assert [len(each.embedding) for each in answer.data] == [128, 128]


def test_a_prompt_that_is_too_long(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="tiny-chat", messages=[{"role": "user", "content": "llama " * 3000}])
    assert caught.value.code == "context_length_exceeded"


def test_one_slot_serves_many_in_turn(client: openai.OpenAI) -> None:
    def ask(number: int) -> str | None:
        answer = client.chat.completions.create(
            model="tiny-chat", messages=[{"role": "user", "content": "Hello"}], temperature=0, seed=number
        )
        return answer.choices[0].message.content

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, range(4))) == [HELLO] * 4


async def test_a_client_that_leaves_frees_its_slot(gateway: RemudaProcess, aclient: openai.AsyncOpenAI) -> None:
    stream = await aclient.completions.create(
        model="tiny-chat", prompt="Once", stream=True, temperature=1, extra_body={"presence_penalty": 1}
    )
    async for _ in stream:
        break
    await stream.close()
    until(lambda: gateway.metric("remuda_slots_in_use") == 0, "the slot is free")
    answer = await aclient.completions.create(model="tiny-chat", prompt="Once", max_tokens=1)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 1
