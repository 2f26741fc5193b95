"""`x` of one server and `x:latest` of another are one model to every client."""

import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from remuda.core.tasks import Tasks
from remuda.engines import tiny
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway

HEALTH = {"probe_every_s": 0.2, "probe_again_s": 0.1, "failures_to_standby": 1, "successes_to_active": 1}
NAMES = ("m", "m:latest")


@pytest.fixture
async def tagged() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(models=("m:latest",), speaks="ollama") as fake:
        yield fake


@pytest.fixture
async def plain() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(models=("m",)) as fake:
        yield fake


def upstreams(tagged: FakeUpstream, plain: FakeUpstream, **more: Any) -> list[dict[str, Any]]:
    return [{"url": tagged.root, "name": "ollama", **more}, {"url": plain.url, "name": "vllm", **more}]


async def both_are_known(gateway: RunningGateway) -> None:
    await gateway.until(lambda: len(list(gateway.remuda.fleet.replicas())) == 2, "both have said what they offer")


async def names_listed(client: httpx.AsyncClient) -> list[list[str]]:
    tags, models, anthropic = (
        (await client.get("/api/tags")).json()["models"],
        (await client.get("/v1/models")).json()["data"],
        (await client.get("/v1/models", headers={"anthropic-version": "2023-06-01"})).json()["data"],
    )
    return [[each["name"] for each in tags], [each["id"] for each in models], [each["id"] for each in anthropic]]


async def test_it_is_listed_once_and_served_by_all_and_by_who_is_left(
    tagged: FakeUpstream, plain: FakeUpstream, tmp_path: Path
) -> None:
    models = {"defaults": {"m:latest": {"temperature": 0.25}}}
    async with (
        running_gateway(tmp_path, upstreams=upstreams(tagged, plain), models=models, health=HEALTH) as gateway,
        httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30) as client,
    ):
        await both_are_known(gateway)
        assert await names_listed(client) == [["m"]] * 3
        assert [each["name"] for each in (await client.get("/api/ps")).json()["models"]] == ["m"]

        async def served_by(path: str, name: str) -> str:
            answer = await client.post(path, json={"model": name, "messages": [], "stream": False})
            assert answer.status_code == 200, answer.text
            await gateway.at_rest()
            return answer.headers["x-remuda-replica"]

        for name in NAMES:
            for path in ("/v1/chat/completions", "/api/chat"):
                assert {await served_by(path, name) for _ in range(2)} == {"ollama/m:latest", "vllm/m"}
        assert {json.loads(seen.body)["model"] for seen in tagged.seen} == {"m:latest"}
        assert {json.loads(seen.body)["model"] for seen in plain.seen} == {"m"}
        assert {json.loads(seen.body).get("temperature") for seen in plain.seen} == {0.25}
        await plain.aclose()
        for name in NAMES * 2:
            assert await served_by("/v1/chat/completions", name) == "ollama/m:latest", "no request is lost"
        assert await names_listed(client) == [["m"]] * 3
        await gateway.at_rest()
        assert {record.model for record in await gateway.records()} == {"m"}
    async with (
        running_gateway(tmp_path, upstreams=upstreams(tagged, plain)[:1], models=models) as gateway,
        httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client,
    ):
        await gateway.until(lambda: gateway.remuda.fleet.is_offering, "the one that is left is known")
        assert await names_listed(client) == [["m"]] * 3, "its name stays when its server is gone for good"
        assert (await client.get("/v1/models/m:latest")).status_code == 200


async def test_who_waits_by_one_name_gets_the_slot_of_a_server_that_has_the_other(
    tagged: FakeUpstream, plain: FakeUpstream, tmp_path: Path
) -> None:
    tasks = Tasks("test")
    async with (
        running_gateway(tmp_path, upstreams=upstreams(tagged, plain, slots=1)) as gateway,
        httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30) as client,
    ):
        await both_are_known(gateway)
        for fake in (tagged, plain):
            fake.gate.hold()
        asking = [
            tasks.start(client.post("/v1/chat/completions", json={"model": name, "messages": []}), name)
            for name in NAMES * 2
        ]
        await gateway.until(lambda: gateway.remuda.fleet.queued == 2, "two are served, two wait")
        [waited_for] = gateway.remuda.fleet.waited_for()
        assert len(waited_for.waiting) == 2, "in one queue"
        plain.gate.release()
        await gateway.until(lambda: gateway.remuda.fleet.queued == 0, "the free one takes both")
        await gateway.until(lambda: len(plain.seen) == 3, "one after the other")
        tagged.gate.release()
        assert [(await each).status_code for each in asking] == [200] * 4
        await gateway.at_rest()
    await tasks.close()


async def test_a_model_of_the_settings_and_an_ollamas_are_one(
    tagged: FakeUpstream, plain: FakeUpstream, tmp_path: Path
) -> None:
    configured = upstreams(tagged, plain)
    configured[1]["models"] = ["m"]
    aliases = {"short": "m", "both": ["m:latest", "m"]}
    async with (
        running_gateway(tmp_path, upstreams=configured, models={"aliases": aliases}) as gateway,
        httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30) as client,
    ):
        await both_are_known(gateway)
        assert await names_listed(client) == [["both", "m", "short"]] * 3
        for name in (*NAMES, "short", "both"):
            fleet = gateway.remuda.fleet
            assert fleet.look_up(name) is fleet.look_up("m")


@pytest.mark.skipif(sys.platform == "win32", reason="no file is called so there")
async def test_a_model_of_this_machine_is_loaded_by_either_name(plain: FakeUpstream, tmp_path: Path) -> None:
    file = tmp_path / "m:latest.gguf"
    shutil.copy(tiny.CHAT, file)
    upstreams = [{"url": plain.url, "name": "vllm", "models": ["m"]}]
    async with (
        running_gateway(tmp_path, upstreams=upstreams, models={"paths": [file]}, health=HEALTH) as gateway,
        httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30) as client,
    ):
        assert await names_listed(client) == [["m"]] * 3
        await plain.aclose()
        [model] = gateway.remuda.fleet.models()
        await gateway.until(lambda: not any(each.is_routable for each in model.replicas), "the server is on standby")
        for name in NAMES:
            body = {"model": name, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
            answer = await client.post("/v1/chat/completions", json=body)
            assert (answer.status_code, answer.headers["x-remuda-replica"]) == (200, "local/m:latest")
