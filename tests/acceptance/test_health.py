"""Servers that fail real requests: held back, tried again, and no request lost that can wait."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from remuda.gateway.retry_budget import FLOOR
from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway
from tests.fixtures.raw import RawAnswer, RawClient, post
from tests.fixtures.shared import gateway_before

QUICK = {"breaker_failures": 3, "breaker_pause_s": 0.3, "slow_start_s": 0}
FOR_LONG = {"breaker_failures": 3, "breaker_pause_s": 3600, "breaker_max_pause_s": 3600}


async def ask(gateway: RunningGateway, **fields: Any) -> RawAnswer:
    body = json.dumps({"model": "fake", "messages": [{"role": "user", "content": "Hello"}], **fields}).encode()
    async with RawClient(gateway.port) as client:
        client.say(post(body))
        return await client.answer()


def hurry(gateway: RunningGateway) -> None:
    """Let no server be silent for long."""
    for replica in gateway.remuda.fleet.replicas():
        replica.deadlines = replace(replica.deadlines, answer_s=0.2)


async def test_requests_for_a_model_whose_only_server_is_held_back_wait_until_it_is_well(
    upstream: FakeUpstream, tmp_path: Path
):
    async with gateway_before(upstream, data_dir=tmp_path, health=QUICK) as gateway:
        upstream.behave(fault=Fault.ERROR, times=3)
        assert [(await ask(gateway)).status for _ in range(3)] == [502, 502, 502]
        assert [gateway.remuda.fleet.look_up("fake").replicas[0].is_routable] == [False]  # type: ignore[union-attr]
        answers = await asyncio.gather(*(ask(gateway, stream=i % 2 == 0) for i in range(8)))
        assert [(answer.status, answer.is_whole) for answer in answers] == [(200, True)] * 8
        await gateway.at_rest()
        waited = [record.queue_wait_s for record in await gateway.records()]
        assert sum(wait > 0 for wait in waited) == 8
        await gateway.until(lambda: len(gateway.remuda.breakers) == 0, "the breaker is forgotten")


async def test_where_it_does_not_recover_they_get_504(upstream: FakeUpstream, tmp_path: Path):
    async with gateway_before(
        upstream, data_dir=tmp_path, health=FOR_LONG, routing={"queue_timeout_s": 0.1}
    ) as gateway:
        upstream.behave(fault=Fault.ERROR)
        assert [(await ask(gateway)).status for _ in range(4)] == [502, 502, 502, 504]
        assert len(upstream.seen) == 3
        page = gateway.remuda.metrics.render().decode()
        assert 'remuda_circuit_open{replica="one/fake"} 1.0' in page
        assert 'remuda_slots{replica="one/fake"} 4.0' in page


async def test_a_model_that_fails_takes_no_other_with_it(tmp_path: Path):
    async with (
        FakeUpstream(models=("bad", "fake")) as upstream,
        gateway_before(upstream, data_dir=tmp_path, health=FOR_LONG, routing={"queue_timeout_s": 0.1}) as gateway,
    ):
        upstream.behave(fault=Fault.ERROR, times=3)
        assert [(await ask(gateway, model="bad")).status for _ in range(4)] == [502, 502, 502, 504]
        assert [(await ask(gateway)).status for _ in range(3)] == [200] * 3
        page = gateway.remuda.metrics.render().decode()
        assert 'remuda_circuit_open{replica="one/bad"} 1.0' in page
        assert 'remuda_circuit_open{replica="one/fake"} 0.0' in page
        [node] = gateway.remuda.nodes.statuses()
        assert node.reason == "requests for bad fail, so it gets none of those for a while"


async def test_another_server_takes_over_unseen(upstream: FakeUpstream, tmp_path: Path):
    async with (
        FakeUpstream() as other,
        gateway_before(upstream, other, data_dir=tmp_path, health=FOR_LONG) as gateway,
    ):
        upstream.behave(fault=Fault.DROP_BEFORE_HEAD)
        for _ in range(20):
            assert (await ask(gateway)).status == 200
        await gateway.at_rest()
        assert sum(record.attempts for record in await gateway.records()) == 23


async def test_who_met_two_servers_in_trouble_does_not_wait_for_the_third_alone(upstream: FakeUpstream, tmp_path: Path):
    """All slots of the third are taken by requests that hang, and the two are well again."""
    async with FakeUpstream() as two, FakeUpstream() as hung:
        listed = [
            {"url": each.url, "name": name, "slots": 1}
            for each, name in ((upstream, "one"), (two, "two"), (hung, "three"))
        ]
        health = {**QUICK, "breaker_failures": 1}
        async with gateway_before(data_dir=tmp_path, known_replicas=3, upstreams=listed, health=health) as gateway:
            hung.gate.hold()
            one_each = [asyncio.ensure_future(ask(gateway)) for _ in range(3)]
            await hung.gate.reached(1)
            await gateway.until(lambda: gateway.slots_in_use == 1, "only one of them hangs")
            upstream.behave(fault=Fault.HTML, times=1)
            two.behave(fault=Fault.DROP_MID_HEAD, times=1)
            assert (await ask(gateway)).status == 200
            assert hung.gate.waiting == 1
            hung.gate.release()
            assert [answer.status for answer in await asyncio.gather(*one_each)] == [200] * 3
            await gateway.at_rest()
            assert sorted(record.attempts for record in await gateway.records()) == [1, 1, 1, 3]


async def test_what_the_client_does_wrong_holds_no_server_back(upstream: FakeUpstream, tmp_path: Path):
    async with gateway_before(upstream, data_dir=tmp_path, health=FOR_LONG) as gateway:
        upstream.behave(fault=Fault.ERROR, status=400)
        assert [(await ask(gateway)).status for _ in range(6)] == [400] * 6
        assert len(gateway.remuda.breakers) == 0


async def test_a_trial_whose_client_leaves_is_followed_by_another(upstream: FakeUpstream, tmp_path: Path):
    async with gateway_before(upstream, data_dir=tmp_path, health=QUICK) as gateway:
        upstream.behave(fault=Fault.ERROR, times=3)
        assert [(await ask(gateway)).status for _ in range(3)] == [502, 502, 502]
        upstream.gate.hold()
        async with RawClient(gateway.port) as client:
            client.say(post())
            await upstream.gate.reached(1)
        await gateway.at_rest()
        upstream.gate.release()
        assert (await ask(gateway)).status == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_silence_before_the_first_byte_is_retried_elsewhere(stream: bool, upstream: FakeUpstream, tmp_path: Path):
    async with (
        FakeUpstream() as other,
        gateway_before(upstream, other, data_dir=tmp_path) as gateway,
    ):
        hurry(gateway)
        upstream.behave(fault=Fault.HANG)
        answers = await asyncio.gather(ask(gateway, stream=stream), ask(gateway, stream=stream))
        assert [(answer.status, answer.is_whole) for answer in answers] == [(200, True)] * 2
        await upstream.aborted_count(1)
        await gateway.at_rest()
        assert sorted(record.attempts for record in await gateway.records()) == [1, 2]
        assert "remuda_retries_total 1.0" in gateway.remuda.metrics.render().decode()


async def test_where_all_are_silent_it_is_504(upstream: FakeUpstream, tmp_path: Path):
    async with (
        FakeUpstream() as other,
        gateway_before(upstream, other, data_dir=tmp_path) as gateway,
    ):
        hurry(gateway)
        upstream.behave(fault=Fault.HANG)
        other.behave(fault=Fault.HANG)
        answer = await ask(gateway)
        assert (answer.status, answer.error["code"]) == (504, "upstream_timeout")
        await gateway.at_rest()
        assert [record.attempts for record in await gateway.records()] == [2]


async def test_retries_end_with_their_budget(upstream: FakeUpstream, tmp_path: Path):
    routing = {"retry_budget_percent": 0}
    async with (
        FakeUpstream() as other,
        gateway_before(upstream, other, data_dir=tmp_path, routing=routing, health={"breaker_failures": 0}) as gateway,
    ):
        upstream.behave(fault=Fault.ERROR)
        other.behave(fault=Fault.ERROR)
        assert {(await ask(gateway)).status for _ in range(FLOOR + 1)} == {502}
        await gateway.at_rest()
        assert sorted(record.attempts for record in await gateway.records()) == [1] + [2] * FLOOR
        assert "remuda_retries_refused_total 1.0" in gateway.remuda.metrics.render().decode()


async def test_a_server_that_is_drained_gets_nothing_new_and_finishes_what_it_has(
    upstream: FakeUpstream, tmp_path: Path
):
    async with FakeUpstream() as other:
        upstreams = [
            {"url": upstream.url, "name": "one", "drain": True},
            {"url": other.url, "name": "two"},
        ]
        async with gateway_before(data_dir=tmp_path, upstreams=upstreams, known_replicas=2) as gateway:
            assert {(await ask(gateway)).header("x-remuda-replica") for _ in range(4)} == {"two/fake"}
            assert not upstream.seen
            other.gate.hold()
            async with RawClient(gateway.port) as client:
                client.say(post())
                await other.gate.reached(1)
                source = next(each for each in gateway.remuda.nodes.sources() if each.name == "two")
                source.drain()
                waiting = asyncio.get_running_loop().create_task(ask(gateway))
                await gateway.until(lambda: gateway.remuda.fleet.queued == 1, "the next one waits")
                other.gate.release()
                assert (await client.answer()).status == 200
            assert not waiting.done()
            source.drain(False)
            assert (await waiting).status == 200


async def test_where_all_are_drained_requests_wait_and_get_504(upstream: FakeUpstream, tmp_path: Path):
    upstreams = [{"url": upstream.url, "name": "one", "drain": True}]
    routing = {"queue_timeout_s": 0.1}
    async with gateway_before(data_dir=tmp_path, upstreams=upstreams, known_replicas=1, routing=routing) as gateway:
        answer = await ask(gateway)
        assert (answer.status, answer.error["code"]) == (504, "queue_timeout")
        assert not upstream.seen
