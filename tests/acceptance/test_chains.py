"""Aliases of several models, and parameters by default, as clients and servers see them."""

import json
from pathlib import Path
from typing import Any

import httpx

from remuda.app.settings import load
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway, running_with
from tests.fixtures.raw import RawAnswer, RawClient, post

HEALTH = {"probe_every_s": 0.2, "probe_again_s": 0.1, "failures_to_standby": 1, "successes_to_active": 1}


async def ask(gateway: RunningGateway, model: str, **more: Any) -> RawAnswer:
    async with RawClient(gateway.port) as client:
        client.say(post(json.dumps({"model": model, "messages": [], **more}).encode()))
        return await client.answer()


async def test_the_next_of_a_chain_takes_over_and_hands_back(tmp_path: Path) -> None:
    async with FakeUpstream(models=("big",)) as big, FakeUpstream(models=("small",)) as small:
        upstreams = [{"url": big.url, "name": "one"}, {"url": small.url, "name": "two"}]
        models = {"aliases": {"smart": ["big", "small"]}}
        async with running_gateway(tmp_path, upstreams=upstreams, models=models, health=HEALTH) as gateway:
            fleet = gateway.remuda.fleet
            await gateway.until(lambda: fleet.aliases()["smart"] == "big", "both are known")
            await gateway.until(lambda: fleet.look_up("small") is not None, "both are known")
            assert (await ask(gateway, "smart")).header("x-remuda-replica") == "one/big"
            assert json.loads(big.seen[0].body)["model"] == "big"
            await big.aclose()
            # At once, before anybody has asked the server: the attempt fails, and the next model is tried.
            assert (await ask(gateway, "smart")).header("x-remuda-replica") == "two/small"
            await gateway.until(lambda: fleet.aliases()["smart"] == "small", "the first is on standby")
            assert (await ask(gateway, "smart")).status == 200
            async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
                listed = {each["id"]: each for each in (await client.get("/v1/models")).json()["data"]}
                assert listed["smart"]["remuda"]["alias_of"] == "small"
            await big.__aenter__()
            await gateway.until(lambda: fleet.aliases()["smart"] == "big", "the first is back")
            assert (await ask(gateway, "smart")).header("x-remuda-replica") == "one/big"
            await gateway.at_rest()
            records = await gateway.records()
            assert [record.model for record in records] == ["big", "small", "small", "big"]


async def test_parameters_by_default_reach_the_server(tmp_path: Path) -> None:
    async with FakeUpstream() as fake:
        models = {
            "aliases": {"cool": "fake"},
            "defaults": {"fake": {"temperature": 0.7, "top_p": 0.5}, "cool": {"temperature": 0.1}},
        }
        async with running_gateway(tmp_path, upstreams=[{"url": fake.url}], models=models) as gateway:
            assert (await ask(gateway, "cool", top_p=0.9)).status == 200
            assert (await ask(gateway, "fake", stream=True)).status == 200
            async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
                said = await client.post("/api/chat", json={"model": "fake", "messages": [], "stream": False})
                assert said.status_code == 200
            sent = [json.loads(seen.body) for seen in fake.seen]
            assert [(each["temperature"], each["top_p"]) for each in sent] == [(0.1, 0.9), (0.7, 0.5), (0.7, 0.5)]


async def test_parameters_by_default_are_said_in_the_servers_own_words(tmp_path: Path) -> None:
    async with FakeUpstream(models=("a",), speaks="vllm") as vllm, FakeUpstream(models=("o",), speaks="ollama") as node:
        wanted = {"max_tokens": 5, "temperature": 0.7, "stop": "END", "seed": 1}
        upstreams = [{"url": vllm.url, "name": "one"}, {"url": node.root, "name": "two"}]
        models = {"defaults": {"a": wanted, "o": wanted}}
        hello = [{"role": "user", "content": "hello"}]
        async with (
            running_gateway(tmp_path, upstreams=upstreams, models=models) as gateway,
            httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client,
        ):
            fleet = gateway.remuda.fleet
            await gateway.until(lambda: fleet.look_up("a") and fleet.look_up("o"), "both are known")
            ask = {"model": "a", "max_tokens": 9, "messages": hello}
            assert (await client.post("/v1/messages", json=ask)).status_code == 200
            assert (await client.post("/api/chat", json={"model": "o", "messages": hello})).status_code == 200
            assert (await client.post("/api/generate", json={"model": "o"})).status_code == 200
        assert [(seen.path, seen.json()) for seen in vllm.seen] == [
            ("/v1/messages", ask | {"temperature": 0.7, "stop_sequences": ["END"]})
        ]
        [chat, load] = node.seen
        assert chat.json()["options"] == {"num_predict": 5, "temperature": 0.7, "stop": "END", "seed": 1}
        assert "options" not in load.json()


async def test_aliases_of_a_changed_settings_file_are_taken_in(tmp_path: Path) -> None:
    file = tmp_path / "remuda.yaml"
    async with FakeUpstream(models=("big", "small")) as fake, FakeUpstream(models=("late",)) as late:

        def say(aliases: dict[str, Any]) -> None:
            upstreams = [{"url": fake.url, "name": "one"}, {"url": late.url, "name": "two"}]
            said = {"data_dir": str(tmp_path / "data"), "server": {"port": 0}, "health": HEALTH, "upstreams": upstreams}
            file.write_text(json.dumps(said | {"models": {"aliases": aliases}}))

        say({"mine": "big", "smart": ["nobody", "nothing"]})
        async with running_with(load(file, environ={})) as gateway, RawClient(gateway.port) as waiting:
            fleet = gateway.remuda.fleet
            await gateway.until(lambda: fleet.is_offering and not fleet.find("unheard-of"), "both have been asked")
            slots = {each.id: id(each.slots) for each in fleet.replicas()}
            assert (await ask(gateway, "mine")).header("x-remuda-replica") == "one/big"
            waiting.say(post(json.dumps({"model": "smart", "messages": []}).encode()))
            await gateway.until(lambda: fleet.queued == 1, "nobody serves what it stands for")
            say({"mine": "small", "smart": ["nobody", "late"]})
            assert (await waiting.answer()).header("x-remuda-replica") == "two/late", "it means something else now"
            assert (await ask(gateway, "mine")).header("x-remuda-replica") == "one/small"
            assert {each.id: id(each.slots) for each in fleet.replicas()} == slots, "the servers were left alone"
            say({})
            await gateway.until(lambda: not fleet.aliases(), "they are gone")
            assert (await ask(gateway, "mine")).status == 404
