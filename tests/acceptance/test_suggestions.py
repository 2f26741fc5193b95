"""What a running gateway suggests, from what was really asked of it."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from remuda.core.keys import Key, Scope, digest_of
from remuda.engines import tiny
from remuda.store.keys import create_key
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway

PATH = "/api/optimization-suggestions"
CHAT = "/v1/chat/completions"
DOCUMENTED = {
    "id", "suggestion_type", "model_name", "title", "description", "priority", "potential_improvement",
    "is_implemented", "created_at", "implemented_at",
}  # fmt: skip


class Client:
    """Somebody who asks, and asks what could be better."""

    def __init__(self, gateway: RunningGateway, http: aiohttp.ClientSession) -> None:
        self._gateway = gateway
        self._http = http

    async def send(self, method: str, path: str = PATH, **values: Any) -> tuple[int, Any]:
        async with self._http.request(method, path, **values) as answer:
            return answer.status, json.loads(await answer.read() or b"null")

    async def ask(self, model: str, **values: Any) -> None:
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4} | values
        status, answer = await self.send("POST", CHAT, json=body)
        assert status == 200, answer

    async def generate(self) -> dict[str, Any]:
        await self._gateway.records()
        status, found = await self.send("POST", f"{PATH}/generate")
        assert status == 200
        return dict(found)


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(gateway.url) as http:
        yield Client(gateway, http)


async def test_without_data_that_is_said(client: Client) -> None:
    nothing = {"message": "No recent data available for analysis", "suggestions": []}
    assert await client.generate() == nothing
    assert await client.send("GET") == (200, [])


async def test_found_done_and_dismissed(client: Client) -> None:
    for _ in range(3):
        await client.ask("fake", temperature=1.2)
    found = await client.generate()
    assert found["message"] == f"Generated {len(found['suggestions'])} optimization suggestions"
    [hot] = hot_ones(found["suggestions"])
    assert set(hot) > DOCUMENTED
    assert (hot["title"], hot["model_name"], hot["is_new"]) == ("High Temperature Setting", "fake", True)
    assert (hot["evidence"]["requests"], hot["evidence"]["mean_temperature"]) == (3, 1.2)
    # Once more it is the same one.
    [again] = hot_ones((await client.generate())["suggestions"])
    assert (again["id"], again["is_new"]) == (hot["id"], False)
    status, page = await client.send("GET")
    [listed] = hot_ones(page)
    assert (status, listed["id"], listed["is_implemented"]) == (200, hot["id"], False)
    one = f"{PATH}/{hot['id']}"
    status, dry = await client.send("POST", f"{one}/dry-run")
    assert (status, dry["changes"]) == (200, [])
    assert await client.send("POST", f"{one}/implement") == (200, {"message": "Suggestion marked as implemented"})
    assert hot_ones((await client.send("GET"))[1]) == []
    _, [done] = await client.send("GET", f"{PATH}?state=implemented")
    assert done["is_implemented"]
    assert done["implemented_at"].endswith("Z")
    # Neither what was done nor what was dismissed comes back at once.
    assert hot_ones((await client.generate())["suggestions"]) == []
    assert await client.send("POST", f"{one}/dismiss") == (200, {"message": "Suggestion dismissed"})
    assert hot_ones((await client.generate())["suggestions"]) == []
    assert [each["id"] for each in hot_ones((await client.send("GET", f"{PATH}?state=all"))[1])] == [hot["id"]]


def hot_ones(suggestions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those about the temperature; how quick the machine is may be worth others."""
    return [each for each in suggestions if each["rule"] == "high_temperature"]


async def test_what_is_none(client: Client) -> None:
    for id_ in ("7", "x", "9" * 30):
        for action in ("implement", "dismiss", "dry-run"):
            assert await client.send("POST", f"{PATH}/{id_}/{action}") == (404, {"detail": "Suggestion not found"})
    for query in ("state=x", "limit=0", "limit=x", "before=-1"):
        status, refused = await client.send("GET", f"{PATH}?{query}")
        assert (status, query.partition("=")[0] in refused["detail"]) == (400, True)


async def test_who_may_read_may_not_make_any(client: Client, gateway: RunningGateway) -> None:
    secret = "rmd_" + "r" * 40
    key = Key("key_r", "r", digest_of(secret.encode()), secret[:10], frozenset({Scope.READ}), created_at=0.0)
    await create_key(gateway.remuda.store, key)
    await gateway.remuda.credentials.renew()
    headers = {"Authorization": f"Bearer {secret}"}
    assert await client.send("GET", headers=headers) == (200, [])
    assert (await client.send("POST", f"{PATH}/generate", headers=headers))[0] == 403
    assert (await client.send("POST", f"{PATH}/1/dismiss", headers=headers))[0] == 403


async def test_models_that_push_each_other_out(tmp_path: Path) -> None:
    """Two real models, of which one may be loaded at a time."""
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(running_gateway(tmp_path, models={"max_loaded": 1}))
        client = Client(gateway, await stack.enter_async_context(aiohttp.ClientSession(gateway.url)))
        for _ in range(4):
            await client.ask(tiny.CHAT_NAME)
            embedding = {"model": tiny.EMBED_NAME, "input": "Hi"}
            assert (await client.send("POST", "/v1/embeddings", json=embedding))[0] == 200
        found = {(each["rule"], each["model_name"]): each for each in (await client.generate())["suggestions"]}
        thrash = found["reload_thrash", tiny.CHAT_NAME]
        assert thrash["evidence"]["loads"] == 4
        assert thrash["expected_gain"]["then"] == pytest.approx(thrash["expected_gain"]["now"] / 4, abs=1e-3)
        status, dry = await client.send("POST", f"{PATH}/{thrash['id']}/dry-run")
        assert status == 200
        assert dry["changes"] == [{"setting": "models.max_loaded", "present": 1, "proposed": 2}]
        assert ("reload_thrash", tiny.EMBED_NAME) in found


async def test_a_replica_that_is_slower_than_its_twin(tmp_path: Path) -> None:
    async with FakeUpstream() as quick, FakeUpstream(token_delay_s=0.02) as slow:
        upstreams = [{"url": fake.url, "name": name, "slots": 4} for name, fake in (("quick", quick), ("slow", slow))]
        async with running_gateway(tmp_path, upstreams=upstreams, routing={"policy": "round_robin"}) as gateway:
            fleet = gateway.remuda.fleet
            await gateway.until(lambda: len(list(fleet.replicas())) == 2, "both are known")
            async with aiohttp.ClientSession(gateway.url) as http:
                client = Client(gateway, http)
                for _ in range(40):
                    await client.ask("fake")
                found = {each["rule"]: each for each in (await client.generate())["suggestions"]}
            twin = next(each for rule, each in found.items() if rule.startswith("slow_twin slow"))
            assert twin["evidence"]["requests"] == 20
            assert twin["evidence"]["tokens_per_second"] < twin["evidence"]["twins_tokens_per_second"]
            assert twin["has_dry_run"]
