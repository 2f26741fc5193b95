"""What nodes keep, changed through one gateway before two others: one of these keeps models, the other one none."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from remuda.testing.speech import OllamaSpeech
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway

WEIGHTS = b"weights"
BLOB = f"/api/blobs/sha256:{hashlib.sha256(WEIGHTS).hexdigest()}"


class Chain:
    """A gateway before two."""

    def __init__(self, client: httpx.AsyncClient, keeper: OllamaSpeech) -> None:
        self.client = client
        self.keeper = keeper
        """The one server that keeps models."""


async def before(opened: AsyncExitStack, folder: Path, **urls: str) -> RunningGateway:
    upstreams = [{"url": url, "name": name} for name, url in urls.items()]
    gateway = await opened.enter_async_context(running_gateway(folder, upstreams=upstreams))
    await gateway.until(
        lambda: all(each.state == "active" for each in gateway.remuda.nodes.statuses()), "all nodes are known"
    )
    return gateway


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    async with AsyncExitStack() as opened:
        keeper = await opened.enter_async_context(FakeUpstream(speaks="ollama", models=("a:latest",)))
        plain = await opened.enter_async_context(FakeUpstream(models=("p",)))
        far = await before(opened, tmp_path / "far", keeper=keeper.url)
        bare = await before(opened, tmp_path / "bare", plain=plain.url)
        near = await before(opened, tmp_path / "near", far=f"{far.url}/v1", bare=f"{bare.url}/v1")
        client = await opened.enter_async_context(httpx.AsyncClient(base_url=near.url, trust_env=False, timeout=30))
        assert isinstance(keeper.speech, OllamaSpeech)
        yield Chain(client, keeper.speech)


async def test_what_one_keeps_is_changed_there(chain: Chain) -> None:
    client, keeper = chain.client, chain.keeper
    pulled = await client.post("/api/pull", json={"model": "new"})
    assert [json.loads(line) for line in pulled.text.splitlines()] == [
        {"status": "pulling manifest", "node": "far"},
        {"status": "success"},
    ]
    for path, asked in (
        ("/api/pull", {"model": "newer"}),
        ("/api/create", {"model": "made"}),
        ("/api/push", {"model": "made"}),
    ):
        done = await client.post(path, json={**asked, "stream": False})
        assert (done.status_code, done.json()) == (200, {"status": "success"})
    assert (await client.post("/api/copy", json={"source": "a", "destination": "b"})).status_code == 200
    assert (await client.request("DELETE", "/api/delete", json={"model": "newer"})).status_code == 200
    assert keeper.models == ("a:latest", "new", "made", "b")


async def test_what_nobody_has_is_404(chain: Chain) -> None:
    for method, path, asked in (
        ("DELETE", "/api/delete", {"model": "nobodys"}),
        ("POST", "/api/copy", {"source": "nobodys", "destination": "b"}),
        ("POST", "/api/push", {"model": "nobodys"}),
        ("POST", "/api/push", {"model": "nobodys", "stream": False}),
    ):
        answer = await chain.client.request(method, path, json=asked)
        assert (answer.status_code, answer.json()) == (404, {"error": "model 'nobodys' not found"})


async def test_what_fails_is_said_of_the_one_that_tried(chain: Chain) -> None:
    failed = await chain.client.post("/api/pull", json={"model": "missing", "stream": False})
    assert failed.status_code == 502
    assert failed.json()["error"] == "far: keeper: pull model manifest: file does not exist"


async def test_files_reach_the_one_that_keeps_them(chain: Chain) -> None:
    assert (await chain.client.head(BLOB)).status_code == 404
    assert (await chain.client.post(BLOB, content=WEIGHTS)).status_code == 201
    assert chain.keeper.blobs == {BLOB}
    assert (await chain.client.head(BLOB)).status_code == 200


async def test_where_none_keeps_models_all_is_501(tmp_path: Path) -> None:
    async with AsyncExitStack() as opened:
        plain = await opened.enter_async_context(FakeUpstream(models=("p",)))
        bare = await before(opened, tmp_path / "bare", plain=plain.url)
        near = await before(opened, tmp_path / "near", bare=f"{bare.url}/v1")
        client = await opened.enter_async_context(httpx.AsyncClient(base_url=near.url, trust_env=False))
        for method, path, asked in (
            ("POST", "/api/pull", {"model": "x"}),
            ("POST", "/api/create", {"model": "x", "stream": False}),
            ("POST", "/api/copy", {"source": "x", "destination": "y"}),
            ("DELETE", "/api/delete", {"model": "x"}),
            ("HEAD", BLOB, None),
            ("POST", BLOB, None),
        ):
            assert (await client.request(method, path, json=asked)).status_code == 501
