"""Slots and the queue under bursts: each server exactly as full as it may be, what is freed goes to whoever waits.

What document S1's own tests ask of dispatch, buffering and cancellation.
"""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from remuda.fleet.registry import MAX_UNSERVED
from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.raw import ASK, STREAM, RawAnswer, RawClient, post
from tests.fixtures.shared import known

QUICK = {"probe_every_s": 0.1, "probe_again_s": 0.1, "slow_start_s": 0}


@contextlib.asynccontextmanager
async def herd(
    n: int, folder: Path, slots: int, **values: Any
) -> AsyncIterator[tuple[RunningGateway, list[FakeUpstream]]]:
    """A gateway before `n` servers with so many slots each, all of them held at their gates."""
    async with contextlib.AsyncExitStack() as stack:
        fakes = [await stack.enter_async_context(FakeUpstream()) for _ in range(n)]
        upstreams = [{"url": fake.url, "slots": slots, "name": f"u{number}"} for number, fake in enumerate(fakes)]
        gateway = await stack.enter_async_context(running_gateway(folder, upstreams=upstreams, **values))
        await gateway.until(lambda: known(gateway, n), "all are known")
        for fake in fakes:
            fake.gate.hold()
        yield gateway, fakes
        for fake in fakes:
            fake.gate.release()
        await gateway.at_rest()


@contextlib.asynccontextmanager
async def clients(gateway: RunningGateway, n: int, body: bytes = ASK) -> AsyncIterator[list[RawClient]]:
    """So many that have asked."""
    async with contextlib.AsyncExitStack() as stack:
        asked = [await stack.enter_async_context(RawClient(gateway.port)) for _ in range(n)]
        live = gateway.remuda.gateway.live
        before = len(live)
        for client in asked:
            client.say(post(body))
        if gateway.remuda.settings.routing.queue_max:
            await gateway.until(lambda: len(live) == before + n, "all have asked")
        yield asked


async def answers(asked: list[RawClient]) -> list[RawAnswer]:
    return list(await asyncio.gather(*(client.answer() for client in asked)))


@pytest.mark.parametrize(("servers", "slots"), [(4, 4), (4, 1)])
@pytest.mark.parametrize("policy", ["least_active", "round_robin"])
async def test_a_burst_fills_every_server_exactly(servers: int, slots: int, policy: str, tmp_path: Path) -> None:
    n = servers * slots
    async with herd(servers, tmp_path, slots, routing={"policy": policy}) as (gateway, fakes):
        async with clients(gateway, n, STREAM) as asked:
            for fake in fakes:
                await fake.gate.reached(slots)
            assert (gateway.slots_in_use, gateway.remuda.fleet.queued) == (n, 0)
            for fake in fakes:
                fake.gate.release()
            told = await answers(asked)
        assert all(answer.status == 200 and answer.events[-1] == "[DONE]" for answer in told)
        by_server = Counter(answer.header("x-remuda-replica") for answer in told)
        assert by_server == {f"u{number}/fake": slots for number in range(servers)}
        assert [len(fake.seen) for fake in fakes] == [slots] * servers


async def test_with_no_server_at_all_requests_wait_and_get_504(tmp_path: Path) -> None:
    models = {"aliases": {"smart": "fake"}}
    async with running_gateway(tmp_path, models=models, routing={"queue_timeout_s": 0.2}) as gateway:
        async with clients(gateway, 1, ASK.replace(b"fake", b"smart")) as asked:
            [answer] = await answers(asked)
        assert (answer.status, answer.error["code"]) == (504, "queue_timeout")
        assert int(answer.header("retry-after") or "") >= 1
        await gateway.at_rest()


async def test_without_a_queue_whoever_finds_no_slot_gets_503(tmp_path: Path) -> None:
    async with herd(1, tmp_path, 1, routing={"queue_max": 0}) as (gateway, [fake]), clients(gateway, 1) as first:
        await fake.gate.reached()
        async with clients(gateway, 1) as second:
            [refused] = await answers(second)
        assert (refused.status, refused.error["code"]) == (503, "queue_full")
        fake.gate.release()
        assert [answer.status for answer in await answers(first)] == [200]


async def test_requests_wait_for_servers_to_join_and_are_served_by_both(tmp_path: Path) -> None:
    async with FakeUpstream() as one, FakeUpstream() as two:
        await one.aclose()
        await two.aclose()
        upstreams = [
            {"url": fake.url, "slots": 1, "models": ["fake"], "name": name}
            for fake, name in ((one, "one"), (two, "two"))
        ]
        async with running_gateway(tmp_path, upstreams=upstreams, health=QUICK) as gateway:
            async with clients(gateway, 5) as asked:
                await gateway.until(lambda: gateway.remuda.fleet.queued == 5, "all wait")
                assert [queue["waiting"] for queue in (await queues(gateway))["queues"]] == [5]
                one.gate.hold()
                two.gate.hold()
                await one.__aenter__()
                await two.__aenter__()
                await one.gate.reached()
                await two.gate.reached()
                await gateway.until(lambda: gateway.remuda.fleet.queued == 3, "one each")
                one.gate.release()
                two.gate.release()
                assert [answer.status for answer in await answers(asked)] == [200] * 5
            assert len(one.seen) + len(two.seen) == 5
            await gateway.at_rest()


async def queues(gateway: RunningGateway) -> Any:
    async with RawClient(gateway.port) as client:
        client.say(b"GET /api/proxy/queue HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return json.loads((await client.answer()).body)


async def test_a_burst_beyond_the_queue_is_served_as_far_as_it_goes_and_the_rest_is_told(tmp_path: Path) -> None:
    async with (
        herd(1, tmp_path, 1, routing={"queue_max": 3}) as (gateway, [fake]),
        contextlib.AsyncExitStack() as stack,
        asyncio.TaskGroup() as tasks,
    ):
        asked = []
        for _ in range(10):
            client = await stack.enter_async_context(RawClient(gateway.port))
            client.say(post(STREAM))
            asked.append(tasks.create_task(client.answer()))
        await gateway.until(lambda: sum(each.done() for each in asked) == 6, "six are refused")
        assert (gateway.slots_in_use, gateway.remuda.fleet.queued) == (1, 3)
        fake.gate.release()
    told = [each.result() for each in asked]
    assert Counter(answer.status for answer in told) == {200: 4, 503: 6}
    assert all(answer.events[-1] == "[DONE]" for answer in told if answer.status == 200)
    assert all(answer.error["code"] == "queue_full" for answer in told if answer.status == 503)


async def test_where_all_leave_that_hold_slots_all_that_wait_are_served(tmp_path: Path) -> None:
    async with herd(2, tmp_path, 2) as (gateway, fakes):
        async with clients(gateway, 4, STREAM) as holders:
            for fake in fakes:
                await fake.gate.reached(2)
            async with clients(gateway, 8, STREAM) as waiting:
                await gateway.until(lambda: gateway.remuda.fleet.queued == 8, "they wait")
                for client in holders:
                    client.leave()
                for fake in fakes:
                    await fake.aborted_count(2)
                    fake.gate.release()
                told = await answers(waiting)
        assert all(answer.status == 200 and answer.events[-1] == "[DONE]" for answer in told)


async def test_where_some_leave_those_that_wait_get_their_slots_and_the_others_run_on(tmp_path: Path) -> None:
    async with herd(1, tmp_path, 4) as (gateway, [fake]):
        fake.gate.hold(after_chunks=2)
        async with clients(gateway, 4, STREAM) as holders:
            await fake.gate.reached(4)
            async with clients(gateway, 2, STREAM) as waiting:
                await gateway.until(lambda: gateway.remuda.fleet.queued == 2, "two wait")
                for client in holders[:2]:
                    client.leave(reset=client is holders[0])
                await fake.aborted_count(2)
                await gateway.until(lambda: gateway.remuda.fleet.queued == 0, "they have the slots")
                await fake.gate.reached(4)
                assert gateway.slots_in_use == 4
                fake.gate.release()
                told = await answers([*holders[2:], *waiting])
        assert all(answer.status == 200 and answer.events[-1] == "[DONE]" for answer in told)
        assert len(fake.seen) == 6


async def test_one_of_two_on_their_own_connections_leaves_and_the_other_runs_on(tmp_path: Path) -> None:
    async with herd(1, tmp_path, 2) as (gateway, [fake]):
        fake.gate.hold(after_chunks=1)
        async with clients(gateway, 2, STREAM) as (leaver, stayer):
            await fake.gate.reached(2)
            leaver.leave()
            await fake.aborted_count(1)
            await gateway.until(lambda: gateway.slots_in_use == 1, "one slot is free again")
            fake.gate.release()
            [answer] = await answers([stayer])
        assert answer.events[-1] == "[DONE]"


async def test_many_whom_a_busy_server_has_sent_away_do_not_keep_newcomers_from_it(tmp_path: Path) -> None:
    many = MAX_UNSERVED + 2
    routing = {"retry_budget_percent": 1000}
    async with herd(2, tmp_path, 4, routing=routing) as (gateway, (busy, full)), clients(gateway, 8) as asked:
        await asyncio.gather(busy.gate.reached(4), full.gate.reached(4))
        busy.gate.release()
        await gateway.until(lambda: gateway.slots_in_use == 4, "one of them is done")
        busy.behave(fault=Fault.ERROR, status=429, times=many)
        async with clients(gateway, many) as sent_away:
            await busy.saw(4 + many)
            await gateway.until(lambda: gateway.remuda.fleet.queued == many, "they wait for the other one")
            async with RawClient(gateway.port) as newcomer:
                newcomer.say(post())
                assert (await newcomer.answer()).header("x-remuda-replica") == "u0/fake"
            full.gate.release()
            assert [answer.header("x-remuda-replica") for answer in await answers(sent_away)] == ["u1/fake"] * many
        assert [answer.status for answer in await answers(asked)] == [200] * 8
