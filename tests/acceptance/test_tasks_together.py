"""Two gateways on one store: a task that one of them runs is watched at the other, over Redis and without it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from remuda.store import store_url_in
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway
from tests.fixtures.redis import RedisServer, private_redis, until
from tests.fixtures.tasks import TaskClient, client_of, gateway_before


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with private_redis() as server:
        yield server


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as fake:
        yield fake


@asynccontextmanager
async def pair(upstream: FakeUpstream, folder: Path, **values: Any) -> AsyncIterator[tuple[RunningGateway, ...]]:
    """One gateway that works on tasks, and one that does not."""
    values = {"database_url": store_url_in(folder / "store"), **values}
    async with AsyncExitStack() as stack:
        both = (
            await stack.enter_async_context(gateway_before(upstream, folder / "works", **values)),
            await stack.enter_async_context(gateway_before(upstream, folder / "watches", workers=0, **values)),
        )
        await until(lambda: all(gateway.remuda.fanout.is_connected for gateway in both))
        yield both


async def watched(client: TaskClient, upstream: FakeUpstream) -> str:
    """The text of a task as it came token by token; what is told before it is over is told while it is held up."""
    upstream.gate.hold(after_chunks=3)
    task_id = await client.submit()
    text, is_held = "", True
    async for _, data in client.stream(task_id):
        text += data.get("token", "")
        if text and is_held:
            is_held = False
            upstream.gate.release()
        if "result" in data:
            assert data["result"] == text
    return text


async def test_tokens_come_at_whichever_gateway_they_are_watched(
    upstream: FakeUpstream, redis: RedisServer, tmp_path: Path
) -> None:
    async with pair(upstream, tmp_path, redis_url=redis.url()) as (_, other), client_of(other) as client:
        assert await watched(client, upstream)
        async with aiohttp.ClientSession(other.url) as http, http.get("/health") as answer:
            said = await answer.json()
        assert (said["redis_connected"], said["broker"], said["reasons"]) == (True, "store+redis", [])


async def test_without_redis_states_are_told_and_the_text_at_the_end_until_it_is_back(
    upstream: FakeUpstream, redis: RedisServer, tmp_path: Path
) -> None:
    async with pair(upstream, tmp_path, redis_url=redis.url()) as both, client_of(both[1]) as client:
        upstream.gate.hold(after_chunks=3)
        task_id = await client.submit()
        events = client.stream(task_id)
        seen = [await anext(events)]
        while "token" not in seen[-1][1]:
            seen.append(await anext(events))
        redis.stop()
        await until(lambda: not any(gateway.remuda.fanout.is_connected for gateway in both))
        async with aiohttp.ClientSession(both[1].url) as http, http.get("/health") as answer:
            said = await answer.json()
        assert (said["status"], said["redis_connected"]) == ("degraded", False)
        upstream.gate.release()
        seen += [event async for event in events]
        assert "".join(data.get("token", "") for _, data in seen) == seen[-1][1]["result"]
        assert (await client.result(await client.submit()))["status"] == "completed"
        redis.start()
        await until(lambda: all(gateway.remuda.fanout.is_connected for gateway in both))
        assert await watched(client, upstream)


async def test_a_task_that_runs_at_another_gateway_is_cancelled_at_once(
    upstream: FakeUpstream, redis: RedisServer, tmp_path: Path
) -> None:
    async with pair(upstream, tmp_path, redis_url=redis.url()) as (works, other), client_of(other) as client:
        upstream.gate.hold(after_chunks=1)
        task_id = await client.submit()
        await upstream.gate.reached()
        assert (await client.send("DELETE", f"/tasks/{task_id}"))[0] == 200
        await upstream.aborted_count(1)
        await works.until(lambda: works.remuda.durable.worker.unsaved == 0, "what it used is kept")
        [record] = await works.records()
        assert (record.id, record.status) == (task_id, 499)
