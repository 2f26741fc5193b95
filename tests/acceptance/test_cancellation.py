"""Queues that clients leave, and shutdown. Where else a request may stand when its client leaves: `test_leaving`."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from remuda.gateway.route import QueueLimits
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway
from tests.fixtures.raw import ASK, STREAM, RawAnswer, RawClient, post
from tests.fixtures.shared import gateway_before

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[RunningGateway, FakeUpstream]]:
    async with FakeUpstream() as upstream:
        upstreams = [{"url": upstream.url, "slots": 1, "name": "one"}]
        data_dir = tmp_path_factory.mktemp("gateway")
        async with gateway_before(upstream, data_dir=data_dir, upstreams=upstreams) as gateway:
            yield gateway, upstream


@pytest_asyncio.fixture(loop_scope="module")
async def upstream(started: tuple[RunningGateway, FakeUpstream]) -> FakeUpstream:
    _, fake = started
    fake.behave()
    fake.gate.release()
    fake.seen.clear()
    return fake


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(
    started: tuple[RunningGateway, FakeUpstream], upstream: FakeUpstream
) -> AsyncIterator[RunningGateway]:
    """In front of one upstream with one slot."""
    running, _ = started
    yield running
    upstream.gate.release()
    await running.at_rest()
    assert running.remuda.fleet.queued == 0


def numbered(number: int, body: bytes = ASK) -> bytes:
    return post(body, f"X-Request-ID: n{number}")


@contextlib.contextmanager
def queue(gateway: RunningGateway, waiting: int = 1024, wait_s: float = 60.0) -> Iterator[None]:
    """Other bounds for the queues."""
    router = gateway.remuda.gateway._pipeline._router
    usual, router._limits = router._limits, QueueLimits(waiting, 2**28, wait_s)
    try:
        yield
    finally:
        router._limits = usual


async def test_256_claims_on_one_slot_are_served_one_at_a_time_and_in_order(
    gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    most = 0

    async def one(number: int) -> RawAnswer:
        nonlocal most
        async with RawClient(gateway.port) as client:
            client.say(numbered(number, STREAM if number % 2 else ASK))
            answer = await client.answer()
            most = max(most, upstream.open)
            return answer

    upstream.gate.hold()
    async with asyncio.TaskGroup() as tasks:
        answers = []
        for number in range(256):
            answers.append(tasks.create_task(one(number)))
            await gateway.until(lambda number=number: len(gateway.remuda.gateway.live) == number + 1, "in line")
        await upstream.gate.reached()
        upstream.gate.release()
    assert all(answer.result().status == 200 and answer.result().is_whole for answer in answers)
    assert [seen.header("x-request-id") for seen in upstream.seen] == [f"n{number}" for number in range(256)]
    assert most <= 1
    for earlier, later in zip(upstream.seen, upstream.seen[1:], strict=False):
        assert earlier.finished is not None
        assert earlier.finished <= later.started


async def test_leavers_in_the_queue_do_not_stop_those_behind_them(
    gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    fleet = gateway.remuda.fleet
    upstream.gate.hold()
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(RawClient(gateway.port)) for _ in range(9)]
        for number, client in enumerate(clients):
            client.say(numbered(number))
            await gateway.until(lambda number=number: fleet.queued == number, "in line")
        for number in (1, 2, 5, 8):
            clients[number].leave(reset=number % 2 == 0)
        await gateway.until(lambda: fleet.queued == 4, "four have left")
        upstream.gate.release()
        for number in (0, 3, 4, 6, 7):
            assert (await clients[number].answer()).status == 200
    assert [seen.header("x-request-id") for seen in upstream.seen] == ["n0", "n3", "n4", "n6", "n7"]


async def test_a_full_queue(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    upstream.gate.hold()
    with queue(gateway, waiting=1):
        async with (
            RawClient(gateway.port) as first,
            RawClient(gateway.port) as second,
            RawClient(gateway.port) as third,
        ):
            first.say(numbered(1))
            await upstream.gate.reached()
            second.say(numbered(2))
            await gateway.until(lambda: gateway.remuda.fleet.queued == 1, "queued")
            third.say(numbered(3))
            answer = await third.answer()
            assert (answer.status, answer.error["code"]) == (503, "queue_full")
            assert 1 <= int(answer.header("retry-after") or "") <= 60
            upstream.gate.release()
            assert (await first.answer()).status == 200
            assert (await second.answer()).status == 200
            third.say(numbered(3))
            assert (await third.answer()).status == 200


async def test_who_waited_too_long(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    upstream.gate.hold()
    with queue(gateway, wait_s=0.05):
        async with RawClient(gateway.port) as first, RawClient(gateway.port) as second:
            first.say(numbered(1))
            await upstream.gate.reached()
            second.say(post(STREAM, "X-Request-ID: late"))
            answer = await second.answer()
            assert (answer.status, answer.error["code"]) == (504, "queue_timeout")
            assert 1 <= int(answer.header("retry-after") or "") <= 60
            upstream.gate.release()
            assert (await first.answer()).status == 200
    record = next(each for each in await gateway.records() if each.id == "late")
    assert (record.status, record.fault, record.attempts) == (504, "queue_timeout", 0)
    assert record.queue_wait_s >= 0.05


async def test_many_streams_whose_clients_all_leave(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    [replica] = gateway.remuda.fleet.find("fake").replicas  # type: ignore[union-attr]
    replica.slots.total = 100
    try:
        upstream.gate.hold(after_chunks=1)
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(RawClient(gateway.port)) for _ in range(100)]
            for client in clients:
                client.say(post(STREAM))
            await upstream.gate.reached(100)
            for number, client in enumerate(clients):
                client.leave(reset=number % 2 == 0)
            await upstream.aborted_count(100)
        await gateway.at_rest()
    finally:
        replica.slots.total = 1


async def test_shutdown(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        upstreams = [{"url": upstream.url, "slots": 2, "name": "one"}]
        server = {"shutdown_grace_s": 0}
        async with (
            contextlib.AsyncExitStack() as stack,
            gateway_before(upstream, data_dir=tmp_path, upstreams=upstreams, server=server) as gateway,
        ):
            upstream.gate.hold(after_chunks=2)
            streaming, waiting, idle, queued = [
                await stack.enter_async_context(RawClient(gateway.port)) for _ in range(4)
            ]
            streaming.say(post(STREAM))
            await upstream.gate.reached(1)
            upstream.behave(fault="hang")
            waiting.say(post(ASK))
            await upstream.saw(2)
            queued.say(post(ASK))
            await gateway.until(lambda: gateway.remuda.fleet.queued == 1, "queued")
            gateway.server.should_exit = True
            answer = asyncio.get_running_loop().create_task(streaming.answer())
            others = [asyncio.get_running_loop().create_task(client.answer()) for client in (waiting, queued)]
            assert await idle.ended() == b""
            await gateway.until(lambda: gateway.remuda.standing.is_draining, "draining")
            await gateway.remuda.gateway.close()
            cut = await answer
            assert cut.is_whole
            assert cut.events[-1]["error"]["code"] == "shutting_down"
            assert "[DONE]" not in cut.events
            for other in others:
                refused = await other
                assert (refused.status, refused.error["code"]) == (503, "shutting_down")
                assert int(refused.header("retry-after") or "") >= 1
            assert await streaming.ended() == b""
            await upstream.aborted_count(2)
            assert json.loads(refused.body)["error"]["request_id"]
