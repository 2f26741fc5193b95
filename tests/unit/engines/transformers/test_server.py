"""The child's HTTP side, over sockets, with a model whose every token a test lets go."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from remuda.core.ids import random_ids
from remuda.engines.transformers.server import Server
from tests.unit.engines.client import until
from tests.unit.engines.transformers.fake import FakeModel

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


@asynccontextmanager
async def served(
    model: FakeModel, api_key: str | None = None, on_broken: Callable[[], None] = lambda: None
) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a server of `model`, as the child serves it."""
    server = Server(model, random_ids(), lambda: 5.0, api_key, on_broken)
    runner = web.AppRunner(server.application(), access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession(f"http://{host}:{port}") as client:
            yield client
    finally:
        await runner.cleanup()


async def asked(model: FakeModel, path: str, body: Any) -> tuple[int, Any]:
    async with served(model) as client, client.post(path, json=body) as response:
        return response.status, await response.json()


async def busy(client: aiohttp.ClientSession) -> int:
    async with client.get("/slots") as response:
        return sum(slot["is_processing"] for slot in await response.json())


def events(body: bytes) -> list[Any]:
    lines = [line.removeprefix(b"data: ") for line in body.split(b"\n\n") if line]
    return [line if line == b"[DONE]" else json.loads(line) for line in lines]


async def test_what_it_tells_of_itself() -> None:
    async with served(FakeModel(slots=2)) as client:
        for path, expected in (
            ("/health", {"status": "ok"}),
            ("/props", {"total_slots": 2, "default_generation_settings": {"n_ctx": 64}}),
            ("/slots", [{"id": 0, "is_processing": False}, {"id": 1, "is_processing": False}]),
        ):
            async with client.get(path) as response:
                assert (response.status, await response.json()) == (200, expected)
        async with client.get("/v1/models") as response:
            assert [model["id"] for model in (await response.json())["data"]] == ["fake"]


async def test_nobody_without_the_key() -> None:
    async with served(FakeModel(), api_key="k") as client:
        for headers in ({}, {"Authorization": "Bearer x"}):
            async with client.get("/health", headers=headers) as response:
                assert response.status == 401
                assert "error" in await response.json()
        async with client.get("/health", headers={"Authorization": "Bearer k"}) as response:
            assert response.status == 200


async def test_a_chat() -> None:
    model = FakeModel("Ho!")
    status, answer = await asked(model, "/v1/chat/completions", {**CHAT, "seed": 7, "temperature": 0, "n": 2})
    assert status == 200
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["Ho!", "Ho!"]
    assert answer["usage"] == {"prompt_tokens": 2, "completion_tokens": 6, "total_tokens": 8}
    assert (answer["created"], answer["model"]) == (5, "fake")
    assert [seed for _, seed in model.wishes] == [7, 8], "each answer has a seed of its own"


async def test_a_streamed_chat() -> None:
    body = {**CHAT, "stream": True, "stream_options": {"include_usage": True}, "max_tokens": 2}
    async with served(FakeModel("Ho!")) as client, client.post("/v1/chat/completions", json=body) as response:
        assert response.content_type == "text/event-stream"
        first, *middle, last, usage, done = events(await response.read())
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert "".join(event["choices"][0]["delta"]["content"] for event in middle) == "Ho"
    assert last["choices"][0]["finish_reason"] == "length"
    assert usage["usage"] == {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}
    assert done == b"[DONE]"


async def test_text_completions_of_several_prompts() -> None:
    status, answer = await asked(FakeModel("ab"), "/v1/completions", {"prompt": ["x", "yz"], "stop": "b"})
    assert status == 200
    assert [(choice["index"], choice["text"], choice["finish_reason"]) for choice in answer["choices"]] == [
        (0, "a", "stop"),
        (1, "a", "stop"),
    ]
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


async def test_vectors() -> None:
    status, answer = await asked(FakeModel(embeds=True), "/v1/embeddings", {"input": ["a", "bcd"]})
    assert status == 200
    assert [each["embedding"] for each in answer["data"]] == [[1.0, 1.0], [1.0, 3.0]]
    assert answer["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


async def test_tokens_are_counted_beforehand() -> None:
    status, answer = await asked(FakeModel(), "/v1/chat/completions/input_tokens", CHAT)
    assert (status, answer["input_tokens"]) == (200, 2)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/chat/completions", {**CHAT, "temperature": -1}, 400, None),
        ("/v1/chat/completions", {"messages": [{"role": "nobody", "content": "x"}]}, 400, None),
        ("/v1/chat/completions", [], 400, None),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x" * 64}]}, 400, "context_length_exceeded"),
        ("/v1/completions", {"prompt": ["x", "y" * 64], "stream": True}, 400, "context_length_exceeded"),
        ("/v1/embeddings", {"input": "x"}, 400, "not_offered"),
        ("/v1/nothing", {}, 404, None),
    ],
)
async def test_every_refusal_is_an_error_in_openais_shape(path: str, body: Any, status: int, code: str | None) -> None:
    found, answer = await asked(FakeModel(), path, body)
    assert found == status
    assert answer["error"]["message"]
    assert answer["error"].get("code") == code


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b"\xff"])
async def test_what_is_no_json(body: bytes) -> None:
    async with served(FakeModel()) as client, client.post("/v1/chat/completions", data=body) as response:
        assert response.status == 400
        assert "not valid JSON" in (await response.json())["error"]["message"]


async def test_an_embedding_model_gives_no_text_and_too_long_texts_no_vectors() -> None:
    model = FakeModel(embeds=True)
    _, answer = await asked(model, "/v1/completions", {"prompt": "x"})
    assert answer["error"]["code"] == "not_offered"
    _, answer = await asked(model, "/v1/embeddings", {"input": ["x", "y" * 65]})
    assert answer["error"]["code"] == "context_length_exceeded"


class OutOfMemoryError(RuntimeError):
    """Called as torch's own."""


@pytest.mark.parametrize(
    ("error", "words"),
    [(KeyError("/a/secret"), "KeyError"), (OutOfMemoryError("/a/secret"), "memory was too small for it")],
)
async def test_a_failure_of_the_model_is_told_without_its_words(error: Exception, words: str) -> None:
    model = FakeModel()
    model.failure = error
    status, answer = await asked(model, "/v1/chat/completions", CHAT)
    assert (status, answer["error"]["message"]) == (500, f"The model's engine failed: {words}.")


class AcceleratorError(RuntimeError):
    """Called as torch's own."""


@pytest.mark.parametrize(
    ("error", "is_broken"),
    [(AcceleratorError("x"), True), (RuntimeError("CUDA error: x"), True), (OutOfMemoryError("CUDA error"), False)],
)
async def test_a_gpu_that_failed_is_told_of(error: Exception, is_broken: bool) -> None:
    model, told = FakeModel(), []
    model.failure = error
    async with (
        served(model, on_broken=lambda: told.append(True)) as client,
        client.post("/v1/chat/completions", json={**CHAT, "stream": True}) as response,
    ):
        await response.read()
    assert bool(told) is is_broken


async def test_a_stream_that_breaks_off_ends_with_an_error_and_without_done() -> None:
    model = FakeModel()
    model.failure, model.fails_after = KeyError("x"), 2
    body = {**CHAT, "stream": True}
    async with served(model) as client, client.post("/v1/chat/completions", json=body) as response:
        *said, last = events(await response.read())
    assert last["error"]["message"] == "The model's engine failed: KeyError."
    assert "".join(event["choices"][0]["delta"]["content"] for event in said) == "He"


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_client_that_leaves_costs_no_more_than_two_tokens(is_streamed: bool) -> None:
    model = FakeModel("x" * 50)
    model.hold()
    async with served(model) as client:
        request = client.post("/v1/chat/completions", json={**CHAT, "stream": is_streamed})
        model.let(3)
        if is_streamed:
            async with request as response:
                while b'"x"' not in await response.content.readline():
                    pass
                response.close()
        else:
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(request.__aenter__())
                await until(lambda: model.chosen == 3)
                waiting.cancel()
        await until(lambda: model.is_given_up())
        chosen = model.chosen
        model.let(50)

        async def is_idle() -> bool:
            return await busy(client) == 0

        await until(is_idle)
        assert model.chosen <= chosen + 2


async def test_what_comes_beyond_the_slots_waits_its_turn() -> None:
    model = FakeModel("ab")
    model.hold()
    async with served(model) as client, asyncio.TaskGroup() as group:

        async def ask() -> Any:
            async with client.post("/v1/chat/completions", json=CHAT) as response:
                return await response.json()

        answers = [group.create_task(ask()) for _ in range(3)]
        await until(model.begun.is_set)
        assert len(model.wishes) == 1
        assert await busy(client) == 1
        model.let(10)
    assert [answer.result()["choices"][0]["message"]["content"] for answer in answers] == ["ab"] * 3
