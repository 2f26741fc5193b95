"""Gateways that name each other, or themselves, as upstreams."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from remuda.core.node import NodeKind
from remuda.fleet.replica import ReplicaState
from remuda.fleet.sources.upstream import ITSELF
from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from remuda.wire.via import Via
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.raw import ASK, RawAnswer, RawClient, post
from tests.fixtures.ring import HEALTH, ROUTING, is_active, ring


async def asked(gateway: RunningGateway, *headers: str) -> RawAnswer:
    async with RawClient(gateway.port) as client:
        client.say(post(ASK, *headers))
        return await client.answer()


async def records_of(gateways: Sequence[RunningGateway]) -> list[int]:
    return [len(await gateway.records()) for gateway in gateways]


@pytest.mark.parametrize("size", [2, 3])
async def test_a_request_in_a_ring_is_passed_on_once_by_each(size: int, tmp_path: Path) -> None:
    async with FakeUpstream() as fake, ring(tmp_path, size, fake) as gateways:
        for gateway in gateways:
            answer = await asked(gateway)
            assert answer.status == 200
        assert answer.header("x-remuda-replica") == "fake/fake", "what is near is not asked for far away"
        assert await records_of(gateways) == list(range(1, size + 1))


@pytest.mark.parametrize("size", [2, 3])
async def test_when_the_only_server_dies_its_model_is_active_nowhere(size: int, tmp_path: Path) -> None:
    async with FakeUpstream() as fake, ring(tmp_path, size, fake) as gateways:
        fake.behave(fault=Fault.DROP_BEFORE_HEAD, probes_too=True)
        answers = await asyncio.gather(*(asked(gateway) for gateway in gateways))
        assert {answer.status for answer in answers} <= {502, 504, 508}
        assert all(count <= 3 * size for count in await records_of(gateways)), "requests go in circles"
        for gateway in gateways:
            await gateway.until(lambda: not is_active(gateway), "nobody has the model any more")  # noqa: B023
        fake.behave()
        for gateway in gateways:
            await gateway.until(lambda: is_active(gateway), "it is back")  # noqa: B023
        assert (await asked(gateways[0])).status == 200


async def test_a_request_that_comes_back_is_refused_in_its_dialects_shape(tmp_path: Path) -> None:
    async with FakeUpstream() as fake, running_gateway(tmp_path, upstreams=[{"url": fake.url}]) as gateway:
        await gateway.until(lambda: is_active(gateway), "the model is known")
        own = f"Via: 1.1 somebody, 1.1 {gateway.remuda.pseudonym} (a comment)"
        answer = await asked(gateway, own)
        assert (answer.status, answer.error["code"]) == (508, "loop_detected")
        async with httpx.AsyncClient(trust_env=False) as client:
            for path, shape in [("/api/chat", "error"), ("/v1/messages", "type")]:
                body = {"model": "fake", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
                headers = {"Via": f"1.1 {gateway.remuda.pseudonym}"}
                refused = await client.post(gateway.url + path, json=body, headers=headers)
                assert (refused.status_code, shape in refused.json()) == (508, True)
        assert (await asked(gateway, "Via: " + ", ".join(["1.1 a"] * 17))).status == 508
        assert (await asked(gateway, "Via: 1.1 somebody", "Via: 1.1 else")).status == 200
        assert len(fake.seen) == 1, "the others have reached nobody"


async def test_no_request_is_bounced_back_to_whom_it_came_from(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as fake,
        running_gateway(tmp_path / "inner", upstreams=[{"url": fake.url, "name": "far"}], health=HEALTH) as inner,
    ):
        upstreams = [{"url": inner.url, "name": "inner"}, {"url": fake.url, "name": "near"}]
        async with running_gateway(tmp_path / "outer", upstreams=upstreams, health=HEALTH) as outer:
            fleet = outer.remuda.fleet

            def path_of_inner() -> list[tuple[str, ...]]:
                return [each.path for each in fleet.replicas() if each.id == "inner/fake"]

            await outer.until(lambda: path_of_inner() == [(inner.remuda.pseudonym,)], "who it is is known")
            await outer.until(lambda: len(list(fleet.replicas())) == 2, "both are known")
            answers = [await asked(outer, f"Via: 1.1 {inner.remuda.pseudonym}") for _ in range(4)]
            assert {answer.header("x-remuda-replica") for answer in answers} == {"near/fake"}


async def test_a_request_waits_for_its_server_rather_than_go_back(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as far,
        FakeUpstream() as near,
        running_gateway(tmp_path / "inner", upstreams=[{"url": far.url, "name": "far"}], health=HEALTH) as inner,
    ):
        upstreams = [{"url": inner.url, "name": "inner"}, {"url": near.url, "name": "near"}]
        async with running_gateway(tmp_path / "outer", upstreams=upstreams, health=HEALTH) as outer:

            def standing() -> dict[str, ReplicaState]:
                return {each.id: each.state for each in outer.remuda.fleet.replicas()}

            both = {"inner/fake": ReplicaState.ACTIVE, "near/fake": ReplicaState.ACTIVE}
            await outer.until(lambda: standing() == both, "both are there")
            near.behave(fault=Fault.DROP_BEFORE_HEAD, probes_too=True)
            await outer.until(lambda: standing() == both | {"near/fake": ReplicaState.STANDBY}, "one is away")
            async with RawClient(outer.port) as client:
                client.say(post(ASK, f"Via: 1.1 {inner.remuda.pseudonym}"))
                await outer.until(lambda: outer.remuda.fleet.queued == 1, "it waits")
                assert (await asked(outer)).header("x-remuda-replica") == "inner/fake", "others do not"
                near.behave()
                assert (await client.answer()).header("x-remuda-replica") == "near/fake"
            assert await records_of([inner]) == [1]


async def test_only_a_remuda_is_told_where_a_request_has_been(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as fake,
        running_gateway(tmp_path / "inner", upstreams=[{"url": fake.url}]) as inner,
        running_gateway(tmp_path / "outer", upstreams=[{"url": inner.url}]) as outer,
    ):
        came_by: list[Via | None] = []
        inner.remuda.gateway.on_open = lambda exchange: came_by.append(exchange.via)
        await outer.until(lambda: is_active(outer), "the model is known")
        assert (await asked(outer, "Via: 1.0 proxy (a)")).status == 200
        [via] = came_by
        assert via is not None
        assert via.line.decode() == f"1.0 proxy (a), 1.1 {outer.remuda.pseudonym}"
        [seen] = fake.seen
        assert "via" not in {name.lower() for name, _ in seen.headers}


async def test_what_is_to_be_had_through_the_asker_alone_is_left_out_for_it(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as fake,
        ring(tmp_path, 2, fake) as gateways,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        first, last = gateways
        for gateway, names in ((first, []), (last, ["fake"])):
            other = last if gateway is first else first
            answer = await client.get(f"{gateway.url}/v1/models", headers={"Via": f"1.1 {other.remuda.pseudonym}"})
            assert [each["id"] for each in answer.json()["data"]] == names
            assert answer.json()["remuda"] == {"instance": gateway.remuda.pseudonym}
        [entry] = (await client.get(f"{first.url}/v1/models")).json()["data"]
        assert entry["remuda"]["via"] == [last.remuda.pseudonym]


async def test_a_node_that_is_the_gateway_itself_is_kept_on_standby(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as fake,
        running_gateway(tmp_path, upstreams=[{"url": fake.url}], health=HEALTH) as gateway,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        await gateway.until(lambda: is_active(gateway), "the model is known")
        made = await client.post(f"{gateway.url}/api/proxy/nodes", json={"url": gateway.url, "name": "me"})
        assert made.status_code == 201, made.text
        [me] = [each for each in gateway.remuda.nodes.statuses() if each.name == "me"]
        assert (me.state, me.reason, me.models) == (ReplicaState.STANDBY, ITSELF, ())
        assert json.loads(made.text)["reason"] == ITSELF
        for _ in range(4):
            assert (await asked(gateway)).status == 200
        assert len(await gateway.records()) == len(fake.seen) == 4


async def test_a_gateway_in_its_own_settings_is_on_standby_at_once(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, health=HEALTH, routing=ROUTING) as gateway:
        remuda = gateway.remuda
        settings = remuda.settings.model_validate(
            {**remuda.settings.model_dump(), "upstreams": [{"url": gateway.url, "name": "me", "models": ["fake"]}]}
        )
        remuda.nodes.configure(settings.upstreams)
        [source] = remuda.nodes.sources()
        await source.asked.wait()
        assert (source.state, source.trouble, is_active(gateway)) == (ReplicaState.STANDBY, ITSELF, False)
        assert (await asked(gateway)).status == 504


@pytest.mark.parametrize("size", [2, 3])
async def test_what_nodes_keep_is_asked_of_each_once(size: int, tmp_path: Path) -> None:
    async with (
        FakeUpstream(models=("fake",), speaks="ollama") as fake,
        ring(tmp_path, size, fake) as gateways,
        httpx.AsyncClient(trust_env=False, timeout=20) as client,
    ):
        for gateway in gateways:
            nodes = gateway.remuda.nodes
            await gateway.until(
                lambda: all(each.kind is not NodeKind.REMUDA or each.instance for each in nodes.statuses()),  # noqa: B023
                "who the others are is known",
            )
        asked = [
            await client.post(f"{gateways[0].url}/api/pull", json={"model": "x", "stream": False}),
            await client.request("DELETE", f"{gateways[0].url}/api/delete", json={"model": "fake"}),
        ]
        assert [answer.status_code for answer in asked] == [200, 200], [answer.text for answer in asked]
        paths = [seen.path for seen in (*fake.seen, *fake.probes)]
        assert (paths.count("/api/pull"), paths.count("/api/delete")) == (1, 1)
        headers = {"Via": f"1.1 {gateways[0].remuda.pseudonym}"}
        answer = await client.post(f"{gateways[0].url}/api/pull", json={"model": "x"}, headers=headers)
        assert answer.status_code == 508
