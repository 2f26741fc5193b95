"""Streams that wait for a slot, as the real clients hear them: comments are passed over, failures after them raised."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anthropic
import httpx
import httpx2
import ollama
import openai
import pytest

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway
from tests.fixtures.raw import RawClient, post
from tests.fixtures.shared import gateway_before

HELLO: Any = [{"role": "user", "content": "Hello"}]


async def by_openai(url: str) -> str:
    http = httpx.AsyncClient(trust_env=False)
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, http_client=http) as client:
        stream = await client.chat.completions.create(model="fake", messages=HELLO, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


async def by_anthropic(url: str) -> str:
    http = httpx2.AsyncClient(trust_env=False)
    async with (
        anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0, http_client=http) as client,
        client.messages.stream(model="fake", max_tokens=64, messages=HELLO) as stream,
    ):
        return "".join([text async for text in stream.text_stream])


async def by_ollama(url: str) -> str:
    async with ollama.AsyncClient(url, trust_env=False) as client:
        parts = await client.chat(model="fake", messages=HELLO, stream=True)
        return "".join([part.message.content or "" async for part in parts])


CLIENTS: list[tuple[Callable[[str], Awaitable[str]], int]] = [(by_openai, 2), (by_anthropic, 2), (by_ollama, 0)]
"""Each, and how many comments it is sent here before it is served."""


async def beside_another(
    upstream: FakeUpstream, folder: Path, asked: Callable[[RunningGateway], Awaitable[None]], **routing: Any
) -> None:
    """Have `asked` ask a gateway whose only slot somebody else has."""
    upstreams = [{"url": upstream.url, "slots": 1, "name": "one"}]
    routing = {"keep_alive_after_s": 0.05, "keep_alive_every_s": 0.5, **routing}
    async with (
        gateway_before(upstream, data_dir=folder, upstreams=upstreams, known_replicas=1, routing=routing) as gateway,
        RawClient(gateway.port) as first,
    ):
        upstream.gate.hold()
        first.say(post())
        await upstream.gate.reached()
        await asked(gateway)
        upstream.gate.release()
        assert (await first.answer()).status == 200


@pytest.mark.parametrize(("by", "comments"), CLIENTS)
async def test_clients_pass_over_what_says_that_they_wait(
    by: Callable[[str], Awaitable[str]], comments: int, tmp_path: Path
) -> None:
    async with FakeUpstream() as upstream:

        async def asked(gateway: RunningGateway) -> None:
            waiting = asyncio.create_task(by(gateway.url))  # type: ignore[arg-type]
            await gateway.until(lambda: gateway.remuda.fleet.queued == 1, "it waits")
            await gateway.until(lambda: gateway.remuda.keep_alive.sent >= comments, "it has been told")
            upstream.gate.release()
            told = await waiting
            assert told
            assert told == await by(gateway.url), "the same as without a wait"

        await beside_another(upstream, tmp_path, asked)


@pytest.mark.parametrize(("by", "error"), [(by_openai, openai.APIError), (by_anthropic, anthropic.APIError)])
async def test_clients_raise_what_goes_wrong_after_it(
    by: Callable[[str], Awaitable[str]], error: type[Exception], tmp_path: Path
) -> None:
    async with FakeUpstream() as upstream:

        async def asked(gateway: RunningGateway) -> None:
            with pytest.raises(error, match="no slot"):
                await by(gateway.url)
            assert gateway.remuda.keep_alive.sent >= 1

        await beside_another(upstream, tmp_path, asked, queue_timeout_s=0.8)


async def test_an_ollama_stream_gets_the_true_status_however_long_it_waited(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:

        async def asked(gateway: RunningGateway) -> None:
            with pytest.raises(ollama.ResponseError) as caught:
                await by_ollama(gateway.url)
            assert caught.value.status_code == 504
            assert gateway.remuda.keep_alive.sent == 0

        await beside_another(upstream, tmp_path, asked, queue_timeout_s=0.8)
