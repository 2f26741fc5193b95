"""A worker in another process, as far as it goes over HTTP: to a real gateway in front of a fake."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from remuda.core.priority import Priority
from remuda.core.task import Claim
from remuda.jobs.remote import RUN, STOP, RemoteRunner, Said, Stop, encode
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
    assert gateway.remuda.durable.paces.eta_s("fake", 1) is None  # of one alone there is no pace
    assert run.tokens == told[-1][1]
    assert outcome.record is not None
    assert (outcome.record.id, outcome.record.status, outcome.record.attempts) == ("id", 200, 2)
    assert await gateway.records() == []
    whole = await runner.start(claim(), lambda text, tokens: None).outcome()
    assert msgspec.json.decode(whole.body)["choices"][0]["message"]["content"] == whole.text
    assert gateway.remuda.durable.paces.eta_s("fake", 1) is not None


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


@pytest.mark.parametrize("after_chunks", [0, 3])
async def test_calling_it_off_stops_the_engine_and_tells_what_it_used(
    after_chunks: int, runner: RemoteRunner, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    upstream.gate.hold(after_chunks=after_chunks)
    run = runner.start(claim(stream=True), lambda text, tokens: None)
    waiting = asyncio.create_task(run.outcome())
    await upstream.gate.reached()
    await gateway.until(lambda: run.tokens >= after_chunks, "so much has come")
    run.stop()
    run.stop()
    outcome = await waiting
    assert (outcome.status, outcome.error_type) == (499, "client_gone")
    await upstream.aborted_count(1)
    await gateway.at_rest()
    record = outcome.record
    assert record is not None
    assert (record.id, record.status, record.attempts, record.operation) == ("id", 499, 2, "chat")
    assert record.completion_tokens == after_chunks


async def test_one_whose_time_is_over_is_called_off_too(
    runner: RemoteRunner, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    upstream.behave(fault=Fault.STALL)
    run = runner.start(claim(stream=True), lambda text, tokens: None)
    waiting = asyncio.create_task(run.outcome())
    await upstream.saw(1)
    run.stop(is_too_late=True)
    outcome = await waiting
    assert outcome.error_type == "task_time_limit"
    assert outcome.record is not None
    assert outcome.record.fault == "task_time_limit"
    await upstream.aborted_count(1)


class DeafGateway:
    """Begins to answer, and hears of nothing afterwards."""

    def __init__(self) -> None:
        self.hung_up = asyncio.Event()
        self._app = web.Application()
        self._app.router.add_post(RUN, self._run)
        self._app.router.add_post(STOP, self._stop)
        self._server = TestServer(self._app)

    async def _run(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(encode(Said("hel", 1)) + b"\n" + encode(Said("lo", 2)) + b"\n")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.hung_up.set()
        return answer

    async def _stop(self, request: web.Request) -> web.Response:
        await self.hung_up.wait()
        return web.Response(status=204)

    async def __aenter__(self) -> str:
        await self._server.start_server()
        return str(self._server.make_url("/"))

    async def __aexit__(self, *ended: object) -> None:
        await self._server.close()


async def test_a_gateway_that_does_not_say_what_was_used_is_not_waited_for() -> None:
    deaf = DeafGateway()
    async with deaf as url, aiohttp.ClientSession(url) as session:
        told = asyncio.Event()
        run = RemoteRunner(session, stop_s=0.05).start(
            claim(stream=True), lambda text, tokens: told.set() if tokens == 2 else None
        )
        waiting = asyncio.create_task(run.outcome())
        await told.wait()
        run.stop()
        outcome = await waiting
        assert (outcome.status, outcome.error_type) == (499, "client_gone")
        assert outcome.record is not None
        assert (outcome.record.id, outcome.record.status, outcome.record.completion_tokens) == ("id", 499, 2)
        assert outcome.record.tokens_estimated
        await deaf.hung_up.wait()


async def test_what_does_not_run_there_cannot_be_called_off(gateway: RunningGateway) -> None:
    async with (
        aiohttp.ClientSession(gateway.url) as session,
        session.post(STOP, data=encode(Stop("nobody", 1))) as answer,
    ):
        assert answer.status == 404


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
        assert outcome.record is not None
        assert (outcome.record.status, outcome.record.fault) == (503, "gateway_away")


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
