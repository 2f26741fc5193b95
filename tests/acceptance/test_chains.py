"""Aliases of several models, and parameters by default, as clients and servers see them."""

import json
from pathlib import Path
from typing import Any

import httpx

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
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
