"""A worker in another process, as far as it goes over HTTP: to a real gateway in front of a fake."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from remuda.core.priority import Priority
from remuda.core.task import Claim
from remuda.jobs.remote import RemoteRunner
from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway

KEY = "a-key-of-the-admins-0123"


def claim(path: str = "/v1/chat/completions", **fields: object) -> Claim:
    body = {"model": "fake", "messages": [{"role": "user", "content": "hi"}], **fields}
    return Claim(
        "id", 1, "w", 2, "", "u", "tasks", path, "fake", msgspec.json.encode(body), Priority.NORMAL, 9.0, 0.0, 0.0
    )


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as fake:
        yield fake


@pytest.fixture
async def gateway(upstream: FakeUpstream, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path, upstreams=[{"url": upstream.url, "slots": 3}]) as running:
        await running.until(lambda: running.remuda.fleet.look_up("fake") is not None, "it is known")
        yield running


@pytest.fixture
async def runner(gateway: RunningGateway) -> AsyncIterator[RemoteRunner]:
    async with aiohttp.ClientSession(gateway.url) as session:
        yield RemoteRunner(session)


async def test_it_is_answered_as_in_the_same_process(runner: RemoteRunner, gateway: RunningGateway) -> None:
    told: list[tuple[str, int]] = []
    run = runner.start(claim(stream=True), lambda text, tokens: told.append((text, tokens)))
    outcome = await run.outcome()
    assert outcome.text == "".join(text for text, _ in told)
    assert run.tokens == told[-1][1]
    assert outcome.record is not None
    assert (outcome.record.id, outcome.record.status, outcome.record.attempts) == ("id", 200, 2)
    assert await gateway.records() == []
    whole = await runner.start(claim(), lambda text, tokens: None).outcome()
    assert msgspec.json.decode(whole.body)["choices"][0]["message"]["content"] == whole.text


async def test_who_watches_at_the_gateway_sees_it_come(
    runner: RemoteRunner, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    upstream.gate.hold(after_chunks=3)
    with gateway.remuda.durable.queue.live.watching("id") as feed:
        run = asyncio.create_task(runner.start(claim(stream=True), lambda text, tokens: None).outcome())
        await upstream.gate.reached()
        await gateway.until(lambda: feed.text, "some of it has come")
        assert feed.is_running
        upstream.gate.release()
        outcome = await run
        await gateway.until(lambda: not feed.is_running, "it is over")
        assert feed.text == outcome.text


async def test_calling_it_off_stops_the_engine(
    runner: RemoteRunner, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    upstream.behave(fault=Fault.STALL)
    run = runner.start(claim(stream=True), lambda text, tokens: None)
    waiting = asyncio.create_task(run.outcome())
    await upstream.saw(1)
    run.stop()
    run.stop()
    assert (await waiting).status == 499
    await upstream.aborted_count(1)
    await gateway.at_rest()
    late = runner.start(claim(stream=True), lambda text, tokens: None)
    waiting = asyncio.create_task(late.outcome())
    await upstream.saw(2)
    late.stop(is_too_late=True)
    assert (await waiting).error_type == "task_time_limit"


async def test_room_is_what_the_gateway_says(runner: RemoteRunner, gateway: RunningGateway) -> None:
    await gateway.until(lambda: gateway.remuda.durable.room("fake") == 3, "it is active")
    assert await runner.room("fake") == 3
    assert await runner.room("nobody") == 1


async def test_a_gateway_that_is_away_gives_no_room_and_an_outcome_that_is_tried_again(runner: RemoteRunner) -> None:
    async with aiohttp.ClientSession("http://127.0.0.1:9") as session:
        away = RemoteRunner(session)
        assert await away.room("fake") == 0
        outcome = await away.start(claim(), lambda text, tokens: None).outcome()
        assert (outcome.status, outcome.error_type) == (503, "gateway_away")


async def test_what_cannot_be_asked_for_is_refused(runner: RemoteRunner) -> None:
    outcome = await runner.start(claim("/v1/models"), lambda text, tokens: None).outcome()
    assert outcome.status == 503
    assert "400" in outcome.error_message


async def test_it_takes_an_admins_key(upstream: FakeUpstream, tmp_path: Path) -> None:
    servers = [{"url": upstream.url}]
    async with running_gateway(tmp_path, upstreams=servers, auth={"api_keys": (KEY,)}) as gateway:
        for headers in ({}, {"X-API-Key": KEY}):
            async with aiohttp.ClientSession(gateway.url, headers=headers) as session:
                runner = RemoteRunner(session)
                assert await runner.room("fake") == 0
                outcome = await runner.start(claim(), lambda text, tokens: None).outcome()
                assert outcome.error_type == "gateway_away"
        assert upstream.seen == [request for request in upstream.seen if request.method == "GET"]
