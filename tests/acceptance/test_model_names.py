"""Which names are known: those of settings, aliases, and whatever an upstream has offered at any time."""

from pathlib import Path
from typing import Any

import httpx

from remuda.core.tasks import Tasks
from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway

IMPATIENT = {"queue_timeout_s": 0.3}
AWAY = {"url": "http://127.0.0.1:9/v1", "name": "one"}
"""Nobody listens there."""


def body(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}]}


async def ask(gateway: RunningGateway, model: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60, trust_env=False) as client:
        return await client.post("/v1/chat/completions", json=body(model))


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_while_an_upstream_has_not_answered_yet_requests_wait_for_its_word(
    upstream: FakeUpstream, tmp_path: Path
) -> None:
    upstream.gate.hold(probes_too=True)
    settings: dict[str, Any] = {
        "upstreams": [{"url": upstream.url, "name": "one"}],
        "models": {"aliases": {"short": "fake"}},
    }
    tasks = Tasks("test")
    async with running_gateway(tmp_path, **settings) as gateway:
        await upstream.gate.reached()
        asking = [tasks.start(ask(gateway, name), name) for name in ("fake", "short", "nope")]
        await gateway.until(lambda: gateway.remuda.fleet.queued == 3, "all of them wait")
        assert gateway.remuda.standing.unready() == ["no model is known"]
        upstream.gate.release()
        known, short, unknown = [await each for each in asking]
        assert (known.status_code, short.status_code) == (200, 200)
        assert code(unknown) == (404, "model_not_found")
        assert unknown.json()["error"]["param"] == "model"
        assert code(await ask(gateway, "nope")) == (404, "model_not_found")
        await gateway.at_rest()
    await tasks.close()


async def test_an_upstream_that_takes_any_name_takes_those_that_were_waited_for(tmp_path: Path) -> None:
    tasks = Tasks("test")
    async with FakeUpstream(models=("this", "that", "long")) as upstream:
        upstream.behave(fault=Fault.ERROR, status=404, probes_too=True, times=1)
        upstream.gate.hold(probes_too=True)
        settings: dict[str, Any] = {
            "upstreams": [{"url": upstream.url, "name": "one", "slots": 1}],
            "models": {"aliases": {"short": "long"}},
        }
        async with running_gateway(tmp_path, **settings) as gateway:
            await upstream.gate.reached()
            asking = [tasks.start(ask(gateway, name), name) for name in ("this", "that", "that", "short")]
            await gateway.until(lambda: gateway.remuda.fleet.queued == 4, "all of them wait")
            upstream.gate.release()
            assert [(await each).status_code for each in asking] == [200] * 4, "also those beyond its one slot"
            assert sorted(seen.json()["model"] for seen in upstream.seen) == ["long", "that", "that", "this"]
            await gateway.at_rest()
    await tasks.close()


async def test_an_alias_is_known_before_its_model_is(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"upstreams": [AWAY], "models": {"aliases": {"short": "far"}}, "routing": IMPATIENT}
    async with running_gateway(tmp_path, **settings) as gateway:
        for name in ("short", "far"):
            assert code(await ask(gateway, name)) == (504, "queue_timeout")
        assert code(await ask(gateway, "nope")) == (504, "queue_timeout"), "nobody is there who would know better"
        assert gateway.remuda.standing.unready() == ["no model is known"], "nobody offers anything"


async def test_what_an_upstream_has_offered_is_known_after_a_restart(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with running_gateway(tmp_path, upstreams=[{"url": upstream.url, "name": "one"}]) as gateway:
        assert (await ask(gateway, "fake")).status_code == 200
    for upstreams in ([AWAY], [{**AWAY, "name": "two"}]):
        async with running_gateway(tmp_path, upstreams=upstreams, routing=IMPATIENT) as gateway:
            assert code(await ask(gateway, "fake")) == (504, "queue_timeout")
            assert code(await ask(gateway, "nope")) == (504, "queue_timeout"), "nobody is there who would know better"
            async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
                assert (await client.get("/v1/models")).json()["data"] == [], "nobody offers it at present"
                entry = (await client.get("/v1/models/fake")).json()
            standing = {"state": "standby", "replicas": 0, "away": True}
            assert (entry["owned_by"], entry["remuda"]) == ("one", standing)
