"""A gateway before another gateway, and before a llama.cpp server by its address: real clients through both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import ollama
import openai
import pytest

from remuda.core.node import NodeKind
from tests.compat.conftest import SLOTS, SLOW, Served
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.process import until

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("compat")]

CHAT = "remuda-tiny"
EMBED = "remuda-tiny-embed"
HELLO: Any = [{"role": "user", "content": "Count from 3 to 9."}]
COUNTED = "3, 4, 5, 6, 7, 8, 9"


@asynccontextmanager
async def gateway_before(url: str, data_dir: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(data_dir, upstreams=[{"url": url, "name": "inner"}]) as running:
        await running.until(lambda: running.remuda.fleet.is_offering, "the models are known")
        yield running
        await running.at_rest()


@asynccontextmanager
async def openai_client(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    http = httpx.AsyncClient(trust_env=False, timeout=60)
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, http_client=http) as client:
        yield client


async def counted_by_both_clients(url: str) -> None:
    """A chat through each face, whole and streamed, says the same."""
    async with openai_client(url) as client:
        whole = await client.chat.completions.create(model=CHAT, messages=HELLO, temperature=0, max_tokens=40)
        assert COUNTED in (whole.choices[0].message.content or "")
        assert whole.usage is not None
        assert whole.usage.completion_tokens > 0
        stream = await client.chat.completions.create(
            model=CHAT, messages=HELLO, temperature=0, max_tokens=40, stream=True
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
        assert text == whole.choices[0].message.content
    async with ollama.AsyncClient(url, trust_env=False, timeout=60) as other:
        options = {"temperature": 0, "num_predict": 40}
        parts = [part async for part in await other.chat(CHAT, HELLO, options=options, stream=True)]
        assert "".join(part.message.content or "" for part in parts) == text
        assert parts[-1].done
        assert (parts[-1].eval_count or 0) > 0


async def test_another_remuda(served: Served, tmp_path: Path) -> None:
    async with gateway_before(served.url, tmp_path) as outer:
        [source] = outer.remuda.nodes.sources()
        assert source.kind is NodeKind.REMUDA
        await counted_by_both_clients(outer.url)
        async with openai_client(outer.url) as client:
            assert {model.id for model in (await client.models.list()).data} == {CHAT, EMBED, SLOW}
            assert len((await client.embeddings.create(model=EMBED, input=["a", "b"])).data) == 2
            with pytest.raises(openai.NotFoundError):
                await client.chat.completions.create(model="nope", messages=HELLO)
    served.at_rest()


async def test_a_llamacpp_server_by_its_address(served: Served, tmp_path: Path) -> None:
    async with openai_client(served.url) as client:
        await client.chat.completions.create(model=CHAT, messages=HELLO, max_tokens=1)
    async with gateway_before(f"unix:{served.engine(CHAT)}", tmp_path) as outer:
        [source] = outer.remuda.nodes.sources()
        assert source.kind is NodeKind.LLAMA_CPP
        [replica] = outer.remuda.fleet.replicas()
        assert replica.slots.size == SLOTS
        assert replica.context_length is not None
        await counted_by_both_clients(outer.url)
    served.at_rest()


async def test_a_client_that_leaves_frees_the_slot_of_a_llamacpp_server(served: Served, tmp_path: Path) -> None:
    async with openai_client(served.url) as client:
        await client.chat.completions.create(model=SLOW, messages=HELLO, max_tokens=1)
    async with gateway_before(f"unix:{served.engine(SLOW)}", tmp_path) as outer, openai_client(outer.url) as client:
        for stream in (True, False):
            asking = asyncio.get_running_loop().create_task(_all_of(client, stream=stream))
            await outer.until(lambda: outer.slots_in_use == 1, "it is under way")
            # Asking takes a while, and the gateway is to go on meanwhile.
            await asyncio.to_thread(until, served.busy, "the engine works")
            assert not asking.done()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await outer.at_rest()
            await asyncio.to_thread(until, lambda: not served.busy(), "the engine is idle")


async def _all_of(client: openai.AsyncOpenAI, *, stream: bool) -> None:
    """An answer of the model that takes a quarter of a minute for it; the other's context is full in half a second."""
    answer: Any = await client.chat.completions.create(
        model=SLOW, messages=HELLO, stream=stream, extra_body={"ignore_eos": True, "n_predict": 100_000}
    )
    if stream:
        async for _ in answer:
            pass
