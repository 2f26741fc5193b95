"""Servers of every kind behind one gateway, found out by what they answer."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import ollama
import pytest

from remuda.core.node import NodeKind
from remuda.testing.answers_ollama import MODIFIED, SIZE, digest_of
from remuda.testing.behaviour import Fault
from remuda.testing.speech import LLAMACPP_CONTEXT, SPEECHES, OllamaSpeech
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.http_servers import http, serving

HELLO: Any = [{"role": "user", "content": "hello"}]


def kinds(gateway: RunningGateway) -> list[NodeKind | None]:
    return [source.kind for source in gateway.remuda.nodes.sources()]


async def ask(gateway: RunningGateway, path: str, **fields: Any) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        return await client.post(f"{gateway.url}{path}", json=fields)


async def test_each_is_found_out_and_answers_clients_of_both_dialects(tmp_path: Path) -> None:
    async with (
        FakeUpstream(models=("a:latest",), speaks="ollama") as first,
        FakeUpstream(models=("org/b",), speaks="llama.cpp", slots=2) as second,
        FakeUpstream(models=("c:7b",)) as third,
        running_gateway(tmp_path / "inner", upstreams=[{"url": third.url}]) as inner,
    ):
        urls = [first.root, second.url, third.url, inner.url]
        async with running_gateway(tmp_path / "outer", upstreams=[{"url": url} for url in urls]) as gateway:
            await gateway.until(lambda: None not in kinds(gateway), "all kinds are known")
            assert kinds(gateway) == [NodeKind.OLLAMA, NodeKind.LLAMA_CPP, NodeKind.OPENAI, NodeKind.REMUDA]
            fleet = gateway.remuda.fleet
            await gateway.until(lambda: len(list(fleet.replicas())) == 4, "all have said what they offer")
            for model in ("a", "org/b", "c:7b"):
                for path in ("/v1/chat/completions", "/api/chat"):
                    answer = await ask(gateway, path, model=model, messages=HELLO)
                    assert answer.status_code == 200, answer.text
            context = {model.name: model.context_length for model in fleet.models()}
            assert context["org/b"] == LLAMACPP_CONTEXT
            await gateway.at_rest()
            assert {replica.slots.size for replica in fleet.replicas() if replica.model == "org/b"} == {2}


async def test_llamacpps_slots_are_never_oversubscribed(tmp_path: Path) -> None:
    async with FakeUpstream(models=("m",), speaks="llama.cpp") as upstream:
        upstream.speech.slots = 2
        async with running_gateway(tmp_path, upstreams=[{"url": upstream.root}]) as gateway:
            await gateway.until(lambda: gateway.remuda.fleet.is_offering, "the model is known")
            upstream.gate.hold()
            asks = [ask(gateway, "/v1/chat/completions", model="m", messages=HELLO, stream=True) for _ in range(6)]
            asking = asyncio.gather(*asks)
            await upstream.gate.reached(2)
            await gateway.until(lambda: gateway.remuda.fleet.queued == 4, "the others wait")
            assert len(upstream.seen) == 2
            upstream.gate.release()
            assert [answer.status_code for answer in await asking] == [200] * 6
            await gateway.at_rest()


async def test_what_ollama_servers_tell_is_listed_once(tmp_path: Path) -> None:
    names = ("a:latest", "b:7b")
    async with FakeUpstream(models=names, speaks="ollama") as one, FakeUpstream(models=names, speaks="ollama") as two:
        assert isinstance(two.speech, OllamaSpeech)
        two.speech.loaded = ("b:7b",)
        async with running_gateway(tmp_path, upstreams=[{"url": one.root}, {"url": two.root}]) as gateway:
            fleet = gateway.remuda.fleet
            await gateway.until(
                lambda: (
                    [r.told and r.told.capabilities for r in fleet.replicas()]
                    == [("completion", "tools", "thinking")] * 4
                ),
                "all have been asked after all",
            )
            async with ollama.AsyncClient(gateway.url, trust_env=False) as client:
                listed = (await client.list()).models
                assert [(each.model, each.size, each.digest) for each in listed] == [
                    (name, SIZE, digest_of(name)) for name in names
                ]
                assert listed[0].details is not None
                assert listed[0].details.quantization_level == "Q4_0"
                [running] = (await client.ps()).models
                assert (running.model, running.size_vram, running.context_length) == ("b:7b", SIZE // 2, 4096)
                shown = await client.show("a")
                assert shown.capabilities == ["completion", "tools", "thinking"]
                assert (shown.modelinfo or {})["llama.context_length"] == 131_072
            async with httpx.AsyncClient(trust_env=False) as other:
                tags = (await other.get(f"{gateway.url}/api/tags")).json()
            assert {each["modified_at"] for each in tags["models"]} == {MODIFIED}


async def test_probes_that_bring_no_news_change_nothing(tmp_path: Path) -> None:
    names = tuple(f"m{number}:latest" for number in range(20))
    async with (
        FakeUpstream(models=names, speaks="ollama") as upstream,
        running_gateway(tmp_path, upstreams=[{"url": upstream.root}]) as gateway,
    ):
        fleet = gateway.remuda.fleet
        await gateway.until(lambda: fleet.is_offering, "the models are known")
        [source] = gateway.remuda.nodes.sources()
        assert isinstance(upstream.speech, OllamaSpeech)
        upstream.speech.loaded = names[:5]
        await source.ask()  # their contexts are known from now on: the last news
        before = [model.replicas for model in fleet.models()]
        upstream.speech.loaded = names[3:5]
        for _ in range(3):
            await source.ask()
        after = [model.replicas for model in fleet.models()]
        assert all(old is new for old, new in zip(before, after, strict=True)), "the fleet was built anew"
        assert sum(bool(r.told and r.told.is_running) for r in fleet.replicas()) == 2
        upstream.models = names[:-1]
        await source.ask()
        assert len(list(fleet.replicas())) == 19


async def test_a_server_of_another_kind_may_take_the_place_of_one_that_is_away(tmp_path: Path) -> None:
    health = {"probe_every_s": 0.1, "probe_again_s": 0.1}
    async with (
        FakeUpstream(models=("a:latest",)) as upstream,
        running_gateway(tmp_path, upstreams=[{"url": upstream.root}], health=health) as gateway,
    ):
        await gateway.until(lambda: kinds(gateway) == [NodeKind.OPENAI], "its kind is known")
        await gateway.until(lambda: any(r.is_routable for r in gateway.remuda.fleet.replicas()), "it is there")
        upstream.behave(fault=Fault.DROP_BEFORE_HEAD, probes_too=True)
        await gateway.until(lambda: not any(r.is_routable for r in gateway.remuda.fleet.replicas()), "it is away")
        upstream.speech = SPEECHES["ollama"](("a:latest",), None)
        upstream.behave()
        await gateway.until(lambda: kinds(gateway) == [NodeKind.OLLAMA], "it is known anew")
        await gateway.until(lambda: any(r.is_routable for r in gateway.remuda.fleet.replicas()), "it is back")
        assert (await ask(gateway, "/api/generate", model="a", prompt="x", suffix="y")).status_code == 200


@pytest.mark.parametrize("models", [[], ["a"]])
async def test_a_web_page_offers_nothing(models: list[str], tmp_path: Path) -> None:
    page = http(b"<!doctype html><title>It works</title>")
    health = {"probe_again_s": 0.1, "probe_every_s": 0.1}
    async with serving(page) as served:
        upstreams = [{"url": f"http://127.0.0.1:{served.port}", "models": models}]
        routing = {"queue_timeout_s": 0.1}
        async with running_gateway(tmp_path, upstreams=upstreams, health=health, routing=routing) as gateway:
            [source] = gateway.remuda.nodes.sources()
            await gateway.until(lambda: not source._health.is_up, "it is on standby")
            assert "web page" in source.trouble
            assert not any(replica.is_routable for replica in gateway.remuda.fleet.replicas())
            if not models:
                answer = await ask(gateway, "/v1/chat/completions", model="any", messages=HELLO)
                assert (answer.status_code, json.loads(answer.text)["error"]["code"]) == (504, "queue_timeout")
