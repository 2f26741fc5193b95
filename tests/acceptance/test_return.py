"""A model whose only server has gone, or has too much to do: its requests wait, and are served afterwards."""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.pair import MODEL
from tests.fixtures.raw import ASK, STREAM, RawAnswer, RawClient, post
from tests.fixtures.shared import gateway_before

UNNOTICED = {"probe_every_s": 3600}
"""Nobody looks whether servers are well but the requests themselves."""


async def ask(gateway: RunningGateway, body: bytes = ASK, *lines: str) -> RawAnswer:
    async with RawClient(gateway.port) as client:
        client.say(post(body, *lines))
        return await client.answer()


@contextlib.asynccontextmanager
async def gone(upstream: FakeUpstream, folder: Path, **values: Any) -> AsyncIterator[RunningGateway]:
    """A gateway whose only server has gone since it was asked last."""
    async with gateway_before(upstream, data_dir=folder, **{"health": UNNOTICED, **values}) as gateway:
        await upstream.aclose()
        try:
            yield gateway
        finally:
            if upstream._server is None:
                await upstream.__aenter__()


@pytest.mark.parametrize("health", [UNNOTICED, {"probe_every_s": 0.1, "probe_again_s": 0.1}], ids=["asks", "probes"])
@pytest.mark.parametrize("body", [ASK, STREAM], ids=["unary", "stream"])
async def test_requests_wait_for_the_return_of_the_only_server(
    body: bytes, health: dict[str, Any], upstream: FakeUpstream, tmp_path: Path
) -> None:
    async with gone(upstream, tmp_path, health=health) as gateway:
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(ask(gateway, body)) for _ in range(8)]
            await gateway.until(lambda: gateway.remuda.fleet.queued == 8, "they wait")
            assert gateway.slots_in_use == 0, "who waits holds no slot"
            await upstream.__aenter__()
        assert [(each.result().status, each.result().is_whole) for each in asked] == [(200, True)] * 8
        assert len(upstream.seen) == 8, "nothing is asked twice"
        await gateway.at_rest()
        assert all(record.queue_wait_s > 0 and record.fault == "" for record in await gateway.records())


async def test_a_server_that_joins_takes_what_waits_for_one_that_is_gone(
    upstream: FakeUpstream, tmp_path: Path
) -> None:
    async with FakeUpstream() as other:
        upstreams = [{"url": each.url, "slots": 4, "name": name} for each, name in ((upstream, "one"), (other, "two"))]
        async with gateway_before(
            data_dir=tmp_path,
            upstreams=upstreams,
            known_replicas=2,
            health={"probe_every_s": 0.1, "probe_again_s": 0.1, "slow_start_s": 0},
        ) as gateway:
            await other.aclose()
            await upstream.aclose()
            waiting = asyncio.create_task(ask(gateway))
            await gateway.until(lambda: gateway.remuda.fleet.queued == 1, "it waits")
            await other.__aenter__()
            answer = await waiting
            assert (answer.status, answer.header("x-remuda-replica")) == (200, "two/fake")
            await upstream.__aenter__()


async def test_who_waits_in_vain_gets_504_and_is_told_why(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with gone(upstream, tmp_path, routing={"queue_timeout_s": 0.9}) as gateway:
        answer = await ask(gateway)
        assert (answer.status, answer.error["code"]) == (504, "queue_timeout")
        assert "cannot be reached" in answer.error["message"]
        assert int(answer.header("retry-after") or "") >= 1
        [record] = await gateway.records()
        assert (record.status, record.attempts) == (504, 2), "once, and again after half a second"
        assert 0.8 <= record.queue_wait_s < 5


async def test_where_nobody_may_wait_the_failure_is_told_at_once(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with gone(upstream, tmp_path, routing={"queue_max": 0}) as gateway:
        answer = await ask(gateway)
        assert (answer.status, answer.error["code"]) == (502, "upstream_failed")


async def test_who_waits_for_a_return_may_leave(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with gone(upstream, tmp_path, routing={"keep_alive_after_s": 0.05}) as gateway:
        for body in (ASK, STREAM):
            async with RawClient(gateway.port) as client:
                client.say(post(body))
                await gateway.until(lambda: gateway.remuda.fleet.queued == 1, "it waits")
                if body is STREAM:
                    assert b": waiting position=1" in await client.events(1)
                client.leave()
                await gateway.until(lambda: gateway.remuda.fleet.queued == 0, "out of the queue")
        await gateway.at_rest()
        assert {(record.status, record.fault) for record in await gateway.records()} == {(499, "client_gone")}


async def test_a_stream_that_is_told_that_it_waits_is_not_told_of_the_server_that_failed(
    upstream: FakeUpstream, tmp_path: Path
) -> None:
    async with gone(upstream, tmp_path, routing={"keep_alive_after_s": 0.05}) as gateway:
        async with RawClient(gateway.port) as client:
            client.say(post(STREAM))
            await gateway.until(lambda: gateway.remuda.keep_alive.sent >= 1, "it has been told")
            await upstream.__aenter__()
            answer = await client.answer()
        assert (answer.status, answer.is_whole, answer.events[-1]) == (200, True, "[DONE]")
        assert answer.header("x-remuda-replica") is None


@pytest.mark.parametrize("status", [429, 503, 529])
@pytest.mark.parametrize("body", [ASK, STREAM], ids=["unary", "stream"])
async def test_the_only_server_is_asked_again_when_it_has_said(
    status: int, body: bytes, upstream: FakeUpstream, tmp_path: Path
) -> None:
    async with gateway_before(upstream, data_dir=tmp_path) as gateway:
        upstream.behave(fault=Fault.ERROR, status=status, retry_after_s=1, times=1)
        answer = await ask(gateway, body)
        assert (answer.status, answer.is_whole) == (200, True)
        await gateway.at_rest()
        [record] = await gateway.records()
        assert (record.attempts, record.fault) == (2, "")
        assert record.queue_wait_s >= 0.9, "not before"


async def test_a_server_that_says_later_than_a_request_may_wait_is_believed(
    upstream: FakeUpstream, tmp_path: Path
) -> None:
    async with gateway_before(upstream, data_dir=tmp_path, routing={"queue_timeout_s": 5}) as gateway:
        upstream.behave(fault=Fault.ERROR, status=429, retry_after_s=6)
        answer = await ask(gateway)
        assert (answer.status, answer.header("retry-after")) == (429, "6")
        upstream.behave(fault=Fault.ERROR, status=429)
        assert (await ask(gateway)).status == 429, "one that does not say gets no second request"
        await gateway.at_rest()
        assert [record.attempts for record in await gateway.records()] == [1, 1]


@pytest.mark.parametrize("body", [ASK, STREAM], ids=["unary", "stream"])
async def test_what_one_server_does_not_offer_another_one_may(
    body: bytes, upstream: FakeUpstream, tmp_path: Path
) -> None:
    async with FakeUpstream() as other:
        upstreams = [{"url": upstream.url, "name": "one"}, {"url": other.url, "name": "two"}]
        async with gateway_before(data_dir=tmp_path, upstreams=upstreams, known_replicas=2) as gateway:
            upstream.behave(fault=Fault.ERROR, status=501)
            answers = [await ask(gateway, body) for _ in range(8)]
            assert [(answer.status, answer.is_whole) for answer in answers] == [(200, True)] * 8
            assert upstream.seen, "it was asked, and is not held back: it is well"
            other.behave(fault=Fault.ERROR, status=501)
            assert (await ask(gateway, body)).status == 501
            await gateway.at_rest()
            assert (await gateway.records())[0].attempts == 2
            assert all(replica.is_routable for replica in gateway.remuda.fleet.replicas())


@contextlib.asynccontextmanager
async def local_engine() -> AsyncIterator[RunningGateway]:
    """A gateway whose own engine has answered once."""
    with tempfile.TemporaryDirectory(prefix="rmd") as folder:
        async with running_gateway(Path(folder), llamacpp={"n_parallel": 2}) as gateway:
            assert (await ask(gateway, to_local(8))).status == 200
            yield gateway
            await gateway.at_rest()


def to_local(max_tokens: int) -> bytes:
    return ASK.replace(b"fake", MODEL.encode()).replace(b"}]}", b'}],"ignore_eos":true,"max_tokens":%d}' % max_tokens)


def kill(gateway: RunningGateway) -> None:
    process = gateway.remuda.local._entries[MODEL].process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)  # type: ignore[attr-defined]


async def test_who_asks_in_the_moment_in_which_a_local_engine_is_killed_is_answered_by_its_successor() -> None:
    async with local_engine() as gateway:
        kill(gateway)
        answers = await asyncio.gather(*(ask(gateway, to_local(8)) for _ in range(6)))
        assert [answer.status for answer in answers] == [200] * 6


async def test_who_waits_for_a_whole_answer_gets_it_though_the_local_engine_is_killed() -> None:
    async with local_engine() as gateway:
        unbroken = await ask(gateway, to_local(400))
        asking = asyncio.create_task(ask(gateway, to_local(400)))
        await gateway.until(
            lambda: any(each.first_content_at is not None for each in gateway.remuda.gateway.live), "in mid-answer"
        )
        kill(gateway)
        answer = await asking
        assert answer.status == 200
        assert answer.json()["usage"]["prompt_tokens"] == unbroken.json()["usage"]["prompt_tokens"]
        record = (await gateway.records())[0]
        assert (record.attempts, record.fault) == (2, "")
