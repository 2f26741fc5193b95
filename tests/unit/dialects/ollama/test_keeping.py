"""What nodes keep, changed through Ollama's routes: on real fake nodes, and by the real client where there is a way."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import ollama
import pytest

from remuda.core.keys import Scope
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.asgi import client as bare
from tests.fixtures.asgi import parts
from tests.fixtures.gateway import RunningGateway, running_gateway

DIGEST = "sha256:" + hashlib.sha256(b"weights").hexdigest()


class Stand:
    """A gateway before two Ollama nodes and one that keeps nothing."""

    def __init__(self, gateway: RunningGateway, one: FakeUpstream, two: FakeUpstream) -> None:
        self.gateway, self.one, self.two = gateway, one, two
        self.client = httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with (
        FakeUpstream(speaks="ollama", models=("a:latest",)) as one,
        FakeUpstream(speaks="ollama", models=("a:latest", "b:latest")) as two,
        FakeUpstream() as plain,
    ):
        upstreams = [{"url": each.url, "name": name} for name, each in (("one", one), ("two", two), ("plain", plain))]
        async with running_gateway(tmp_path, upstreams=upstreams) as gateway:
            await gateway.until(
                lambda: all(each.state == "active" for each in gateway.remuda.nodes.statuses()), "all nodes are known"
            )
            made = Stand(gateway, one, two)
            yield made
            await made.client.aclose()


async def test_the_real_client_pulls_copies_and_deletes_on_all_that_can(stand: Stand) -> None:
    def work() -> list[Any]:
        client = ollama.Client(host=stand.gateway.url, trust_env=False)
        said = [each.status for each in client.pull("new", stream=True)]
        assert client.pull("newer").status == "success"
        client.copy("a:latest", "mine")
        client.delete("b:latest")
        with pytest.raises(ollama.ResponseError) as caught:
            client.delete("nobodys")
        assert caught.value.status_code == 404
        client._client.close()
        return said

    said = await asyncio.to_thread(work)
    assert said == ["pulling manifest", "pulling manifest", "success"], "the last word comes once"
    assert stand.one.speech.models == ("a:latest", "new", "newer", "mine")
    assert stand.two.speech.models == ("a:latest", "new", "newer", "mine")


async def test_lines_say_whose_they_are_and_a_failure_is_no_success(stand: Stand) -> None:
    answer = await stand.client.post("/api/pull", json={"model": "missing"})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert {line.get("node") for line in lines[:-1]} == {"one", "two"}
    assert list(lines[-1]) == ["error"]
    assert "one: pull model manifest: file does not exist" in lines[-1]["error"]
    whole = await stand.client.post("/api/pull", json={"model": "missing", "stream": False})
    assert (whole.status_code, "two: pull model manifest" in whole.json()["error"]) == (502, True)


async def test_files_are_given_to_all_and_asked_of_all(stand: Stand) -> None:
    path = f"/api/blobs/{DIGEST}"
    assert (await stand.client.head(path)).status_code == 404
    assert (await stand.client.post(path, content=b"weights")).status_code == 201
    assert (await stand.client.head(path)).status_code == 200
    wrong = await stand.client.post("/api/blobs/sha256:" + "0a" * 32, content=b"weights")
    assert (wrong.status_code, wrong.json()["error"].count("digest mismatch")) == (400, 2)
    assert (await stand.client.head("/api/blobs/sha256:abc")).status_code == 400


async def test_one_that_fails_is_named(stand: Stand) -> None:
    await stand.two.aclose()
    answer = await stand.client.request("DELETE", "/api/delete", json={"model": "a:latest"})
    assert answer.status_code == 502
    assert answer.json()["error"].startswith("two: ")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/pull", b"{", 400),
        ("POST", "/api/pull", b"[]", 400),
        ("POST", "/api/pull", b'{"model": ""}', 400),
        ("POST", "/api/copy", b'{"destination": "x"}', 400),
        ("DELETE", "/api/delete", b"{}", 400),
        ("POST", "/api/pull", b'{"model": "x", "stream": false}', 501),
        ("POST", "/api/push", b'{"model": "x", "stream": false}', 501),
        ("POST", "/api/create", b'{"model": "x", "stream": false}', 501),
        ("POST", "/api/copy", b'{"source": "x"}', 400),
        ("POST", "/api/copy", b'{"source": "x", "destination": "y"}', 501),
        ("DELETE", "/api/delete", b'{"name": "x"}', 501),
        ("HEAD", f"/api/blobs/{DIGEST}", b"", 501),
        ("POST", f"/api/blobs/{DIGEST}", b"x", 501),
    ],
)
async def test_what_makes_no_sense_and_what_nobody_can(method: str, path: str, body: bytes, status: int) -> None:
    async with bare() as caller:
        answer = await caller.request(method, path, content=body)
    assert answer.status_code == status
    assert method == "HEAD" or list(answer.json()) == ["error"]


async def test_where_nobody_can_a_stream_does_not_begin() -> None:
    async with bare() as caller:
        answer = await caller.post("/api/pull", json={"model": "x"})
    assert answer.status_code == 501
    assert answer.headers["content-type"].startswith("application/json")
    assert "no node here keeps models" in answer.json()["error"]


async def test_only_those_that_have_a_model_publish_it(stand: Stand) -> None:
    nobodys = await stand.client.post("/api/push", json={"model": "nobodys"})
    assert (nobodys.status_code, nobodys.json()) == (404, {"error": "model 'nobodys' not found"})
    answer = await stand.client.post("/api/push", json={"model": "b:latest"})
    assert [json.loads(line) for line in answer.text.splitlines()] == [
        {"status": "retrieving manifest", "node": "two"},
        {"status": "success"},
    ]


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/pull"), ("DELETE", "/api/delete"), ("POST", "/api/copy")])
async def test_only_who_manages_may(method: str, path: str) -> None:

    for scope, status in ((Scope.INFERENCE, 403), (Scope.READ, 403), (Scope.MANAGE, 400)):
        async with bare(parts(keyed=True), scope=scope) as caller:
            assert (await caller.request(method, path, json={})).status_code == status
