"""The nodes of the store, as the doctor sees them."""

from pathlib import Path
from typing import Any

from remuda.app.checks.nodes import check_nodes
from remuda.app.sealing import Sealer
from remuda.app.settings import Settings
from remuda.core.node import Node, NodeKind
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.http_servers import http, serving


async def said(folder: Path, url: str, **more: Any) -> str:
    node = Node(id=1, name="gpu", url=url.removesuffix("/v1"), **more)
    [finding] = await check_nodes(Settings(data_dir=folder), [node])
    assert finding.subject == "node"
    assert (finding.advice == "") is (finding.level == "ok")
    return f"{finding.level} {finding.message}"


async def test_what_a_node_is(tmp_path: Path) -> None:
    async with FakeUpstream(models=("a", "b"), speaks="ollama") as fake:
        assert await said(tmp_path, fake.url) == "ok gpu is an Ollama and lists 2 models"
        assert await said(tmp_path, fake.url, kind=NodeKind.OLLAMA) == "ok gpu is an Ollama and lists 2 models"
        used = "ok gpu is an Ollama, used as an OpenAI-compatible server, and lists 2 models"
        assert await said(tmp_path, fake.url, kind=NodeKind.OPENAI) == used
        wrong = "fail gpu is an Ollama, not a llama.cpp server"
        assert await said(tmp_path, fake.url, kind=NodeKind.LLAMA_CPP) == wrong
        assert await said(tmp_path, fake.url, is_drained=True) == "ok gpu is an Ollama and lists 2 models (drained)"
    assert (await said(tmp_path, fake.url)).startswith("fail gpu: ")


async def test_what_lists_no_models(tmp_path: Path) -> None:
    async with serving(http(b"", "404 Not Found")) as served:
        assert await said(tmp_path, served.url) == "warn gpu does not list its models (it answers 404)"
    async with serving(http(b"{}")) as served:
        assert await said(tmp_path, served.url) == "fail gpu: it answers something that is not a list of models"


async def test_its_key_is_sent_and_never_told(tmp_path: Path) -> None:
    sealed = Sealer(tmp_path).seal("a-key-of-its-own")
    async with serving(http(b'{"data": [{"id": "a"}]}')) as served:
        known = await said(tmp_path, served.url, credential=sealed)
        assert known == "ok gpu is an OpenAI-compatible server and lists 1 model"
        assert all("Authorization: Bearer a-key-of-its-own\r\n" in head for head in served.heads)
    other = tmp_path / "other"
    other.mkdir()
    lost = await said(other, served.url, credential=sealed)
    assert lost.startswith("fail gpu: its credential cannot be used: the key file")
    assert "a-key-of-its-own" not in lost


async def test_an_address_that_is_refused_is_not_asked(tmp_path: Path) -> None:
    assert (await said(tmp_path, "http://[fe80::1]:80")).startswith("fail gpu: ")


async def test_what_is_no_address_is_said(tmp_path: Path) -> None:
    assert await said(tmp_path, "no address at all") == "fail gpu: what is kept of it cannot be used"
