"""What an Ollama tells of its models, as gateways tell it that have these from another gateway."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from remuda.testing.answers_ollama import CONTEXT, EXPIRES, SIZE
from remuda.testing.speech import OllamaSpeech
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.ring import HEALTH, ring


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        yield client


@asynccontextmanager
async def ollama(*loaded: str, models: tuple[str, ...] = ("fake",)) -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(models=models, speaks="ollama") as fake:
        load(fake, *loaded)
        yield fake


def load(fake: FakeUpstream, *names: str) -> None:
    assert isinstance(fake.speech, OllamaSpeech)
    fake.speech.loaded = names


async def listed(client: httpx.AsyncClient, url: str, path: str, *fields: str) -> list[tuple[Any, ...]]:
    """These `fields` of each model that is listed at `path`."""
    answer = await client.get(url + path)
    return [tuple(entry[field] for field in ("name", *fields)) for entry in answer.json()["models"]]


@pytest.mark.parametrize("gateways", [1, 2, 3])
async def test_is_the_same_through_any_number_of_them(gateways: int, client: httpx.AsyncClient, tmp_path: Path) -> None:
    names = ("embedder:latest", "hf.co/team/chat:7b")
    async with ollama(names[1], models=names) as fake, AsyncExitStack() as stack:
        url = fake.root
        for number in range(gateways):
            running = running_gateway(tmp_path / str(number), upstreams=[{"url": url}], health=HEALTH)
            gateway = await stack.enter_async_context(running)
            url = gateway.url

        async def told_by(root: str) -> list[Any]:
            shown = [(await client.post(f"{root}/api/show", json={"model": name})).json() for name in names]
            fields = ("details", "capabilities", "modified_at")
            contexts = [each["model_info"].get("llama.context_length") for each in shown]
            lists = [(await client.get(root + path)).json() for path in ("/api/tags", "/api/ps")]
            return [*lists, contexts, [[each[field] for field in fields] for each in shown]]

        async def is_all_told() -> bool:
            return await told_by(url) == await told_by(fake.root)

        await gateway.until(is_all_told, "what the Ollama tells is told")
        entries = (await client.get(f"{url}/v1/models")).json()["data"]
        assert {entry["id"]: entry["context_length"] for entry in entries} == {names[0]: None, names[1]: CONTEXT}


@pytest.mark.parametrize("size", [2, 3])
async def test_is_told_no_longer_than_it_is_so(size: int, client: httpx.AsyncClient, tmp_path: Path) -> None:
    async with ollama("fake") as fake, ring(tmp_path, size, fake) as gateways:

        async def until(path: str, field: str, told: Any) -> None:
            for gateway in gateways:
                expected = [] if told is None else [("fake", told)]

                async def is_told(url: str = gateway.url, expected: list[Any] = expected) -> bool:
                    return await listed(client, url, path, field) == expected

                await gateway.until(is_told, f"{path} tells {told}")

        await until("/api/tags", "size", SIZE)
        await until("/api/ps", "expires_at", EXPIRES)
        load(fake)
        await until("/api/ps", "expires_at", None)
        load(fake, "fake")
        await until("/api/ps", "expires_at", EXPIRES)
        fake.models = ()
        load(fake)
        await until("/api/tags", "size", None)
        await until("/api/ps", "expires_at", None)


async def test_does_not_come_back_by_who_has_the_model_as_well(client: httpx.AsyncClient, tmp_path: Path) -> None:
    async with FakeUpstream() as plain, ollama("fake") as fake, ring(tmp_path, 2, fake) as (near, far):
        await near.remuda.nodes.add(plain.url, name="plain")

        def told(gateway: RunningGateway) -> dict[str, int | None]:
            replicas = gateway.remuda.fleet.replicas()
            return {each.id: each.told.size_bytes if each.told else None for each in replicas}

        await near.until(lambda: told(near) == {"next/fake": SIZE, "plain/fake": None}, "it is told near")
        await far.until(lambda: told(far) == {"fake/fake": SIZE, "next/fake": None}, "it is not told back")
        fake.models = ()
        await far.until(lambda: told(far) == {"next/fake": None}, "only the other has it")
        await near.until(lambda: told(near) == {"plain/fake": None}, "and nobody but that")
        for gateway in (near, far):
            assert await listed(client, gateway.url, "/api/tags", "size") == [("fake", 0)]
