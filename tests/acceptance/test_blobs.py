"""Files on their way to nodes: whole or not at all, in little memory, at the pace of whoever is slowest."""

import asyncio
import gc
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from remuda.testing.behaviour import Fault
from remuda.testing.seen import Outcome
from remuda.testing.speech import OllamaSpeech
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.raw import RawClient

MIB = 1024 * 1024
PIECE = bytes(range(256)) * 256
PIECES = 48 * MIB // len(PIECE)
"""More than the bound of other bodies."""
LITTLE = 12 * MIB
"""All that the client, the gateway and two nodes hold at once: what stands in buffers between them."""


def path_of(pieces: int) -> str:
    return f"/api/blobs/sha256:{hashlib.sha256(PIECE * pieces).hexdigest()}"


async def sent(pieces: int) -> AsyncIterator[bytes]:
    for _ in range(pieces):
        yield PIECE


@asynccontextmanager
async def before(folder: Path, *nodes: FakeUpstream, **server: Any) -> AsyncIterator[RunningGateway]:
    upstreams = [{"url": node.root, "name": name} for node, name in zip(nodes, ("one", "two"), strict=False)]
    async with running_gateway(folder, upstreams=upstreams, server=server) as gateway:
        await gateway.until(
            lambda: all(each.state == "active" for each in gateway.remuda.nodes.statuses()), "all nodes are known"
        )
        yield gateway


def client(gateway: RunningGateway) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=60)


def posts(node: FakeUpstream) -> list[Outcome]:
    return [seen.outcome for seen in node.seen if seen.method == "POST"]


def blobs(node: FakeUpstream) -> set[str]:
    assert isinstance(node.speech, OllamaSpeech)
    return node.speech.blobs


@pytest.fixture
async def one() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(speaks="ollama") as fake:
        yield fake


@pytest.fixture
async def two() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(speaks="ollama") as fake:
        yield fake


@pytest.mark.parametrize("is_announced", [True, False])
async def test_a_large_file_reaches_all_nodes_in_little_memory(
    one: FakeUpstream, two: FakeUpstream, tmp_path: Path, is_announced: bool
) -> None:
    path = path_of(PIECES)
    headers = {"content-length": str(PIECES * len(PIECE))} if is_announced else {}
    async with before(tmp_path, one, two) as gateway, client(gateway) as caller:
        gc.collect()
        tracemalloc.start()
        try:
            answer = await caller.post(path, content=sent(PIECES), headers=headers)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert answer.status_code == 201
        assert (await caller.head(path)).status_code == 200
    assert blobs(one) == blobs(two) == {path}
    [seen] = [seen for seen in one.seen if seen.method == "POST"]
    assert seen.header("content-length") == headers.get("content-length")
    assert peak < LITTLE


async def test_a_node_that_takes_nothing_holds_the_client_back(one: FakeUpstream, tmp_path: Path) -> None:
    async with before(tmp_path, one) as gateway, client(gateway) as caller:
        one.behave(fault=Fault.NEVER_READING, every=2)

        def is_held_back() -> bool:
            return any(connection.flow.read_paused for connection in gateway.remuda.lane.connections)

        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(caller.post(path_of(PIECES), content=sent(PIECES)))
            await gateway.until(is_held_back, "no more is read of the file")
            [held] = [each for each in gateway.remuda.lane.connections if each.flow.read_paused]
            later = gateway.remuda.lane.swept + 1000
            held.check(later)  # as the sweep does: how long it was held back is not the client's time
            held.flow.resume_reading()
            held.check(later + 1)
            await one.aclose()
        answer = sending.result()
        assert answer.status_code == 502
        assert answer.json()["error"].startswith("one: it cannot be reached")


async def test_where_one_fails_the_others_get_the_file_and_are_sent_it_once(
    one: FakeUpstream, two: FakeUpstream, tmp_path: Path
) -> None:
    path = path_of(20)
    async with before(tmp_path, one, two) as gateway, client(gateway) as caller:
        two.behave(fault=Fault.ERROR, every=2)  # of the question whether it has the file, and the file
        answer = await caller.post(path, content=sent(20))
        assert (answer.status_code, answer.json()) == (502, {"error": "two: as told"})
        assert blobs(one) == {path}
        assert (await caller.head(path)).status_code == 404
        two.behave()
        assert (await caller.post(path, content=sent(20))).status_code == 201
        assert (await caller.post(path, content=sent(20))).status_code == 201, "nobody lacks it"
    assert len(posts(one)) == 1
    assert blobs(two) == {path}


async def test_a_client_that_leaves_breaks_it_off(one: FakeUpstream, tmp_path: Path) -> None:
    head = f"POST {path_of(20)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {20 * len(PIECE)}\r\n\r\n".encode()
    async with before(tmp_path, one) as gateway, RawClient(gateway.port) as leaving:
        leaving.say(head, PIECE * 3)
        await gateway.until(lambda: posts(one), "the node is being sent it")
        leaving.leave()
        await one.aborted_count(1)
    assert not blobs(one)


async def test_another_file_than_was_announced_is_refused_by_the_node(one: FakeUpstream, tmp_path: Path) -> None:
    async with before(tmp_path, one) as gateway, client(gateway) as caller:
        answer = await caller.post(path_of(2), content=sent(3))
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("one: digest mismatch")


@pytest.mark.parametrize("is_announced", [True, False])
async def test_there_is_a_bound(one: FakeUpstream, tmp_path: Path, is_announced: bool) -> None:
    headers = {"content-length": str(3 * len(PIECE))} if is_announced else {}
    async with before(tmp_path, one, max_blob_bytes=2 * len(PIECE)) as gateway, client(gateway) as caller:
        assert (await caller.post(path_of(2), content=sent(2))).status_code == 201
        answer = await caller.post(path_of(3), content=sent(3), headers=headers)
        assert (answer.status_code, list(answer.json())) == (413, ["error"])
        if not is_announced:
            await one.aborted_count(1)
    assert blobs(one) == {path_of(2)}


async def test_so_many_are_on_their_way_at_once_and_no_more(one: FakeUpstream, tmp_path: Path) -> None:
    head = f"POST {path_of(20)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {20 * len(PIECE)}\r\n\r\n".encode()
    async with before(tmp_path, one, max_blob_uploads=1) as gateway, client(gateway) as caller:
        async with RawClient(gateway.port) as slow:
            slow.say(head, PIECE)
            await gateway.until(lambda: posts(one), "one is on its way")
            answer = await caller.post(path_of(1), content=sent(1))
            assert (answer.status_code, answer.headers["retry-after"], list(answer.json())) == (503, "10", ["error"])
            slow.leave()
            await one.aborted_count(1)
        async with asyncio.timeout(10):
            while (answer := await caller.post(path_of(1), content=sent(1))).status_code == 503:
                pass
        assert answer.status_code == 201
    assert blobs(one) == {path_of(1)}


async def test_another_remuda_passes_it_on(one: FakeUpstream, tmp_path: Path) -> None:
    path = path_of(PIECES)
    async with before(tmp_path / "far", one) as far:
        upstreams = [{"url": f"{far.url}/v1", "name": "far"}]
        async with running_gateway(tmp_path / "near", upstreams=upstreams) as near, client(near) as caller:
            await near.until(lambda: near.remuda.nodes.statuses()[0].state == "active", "it is known")
            assert (await caller.head(path)).status_code == 404
            assert (await caller.post(path, content=sent(PIECES))).status_code == 201
    assert blobs(one) == {path}
