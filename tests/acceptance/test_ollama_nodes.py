"""An Ollama server as upstream: its own clients get its very bytes, all others OpenAI's API."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import ollama
import openai
import pytest

from remuda.testing.behaviour import Fault, Packing
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway

MODEL = "hf.co/team/llama-3.2:latest"
SHORT = "hf.co/team/llama-3.2"
HELLO: Any = [{"role": "user", "content": "hello there"}]


@pytest.fixture
async def node() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(models=(MODEL, "nomic-embed-text:latest"), speaks="ollama", tokens=6) as fake:
        yield fake


@pytest.fixture
async def gateway(node: FakeUpstream, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(
        tmp_path, upstreams=[{"url": node.root, "name": "den"}], models={"aliases": {"chat": MODEL}}
    ) as running:
        await running.until(lambda: running.remuda.fleet.is_offering, "its models are known")
        yield running
        await running.at_rest()


async def both(node: FakeUpstream, gateway: RunningGateway, path: str, body: bytes) -> tuple[httpx.Response, ...]:
    """The answers of the server itself and of the gateway before it."""
    async with httpx.AsyncClient(trust_env=False) as client:
        return (
            await client.post(f"{node.root}{path}", content=body),
            await client.post(f"{gateway.url}{path}", content=body),
        )


@pytest.mark.parametrize("packing", list(Packing))
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/api/chat", {"messages": HELLO, "keep_alive": "10m", "options": {"num_ctx": 8192}}),
        ("/api/chat", {"messages": HELLO, "stream": False}),
        ("/api/generate", {"prompt": "once upon", "suffix": "the end", "context": [1, 2]}),
        ("/api/generate", {"prompt": "once upon", "stream": False}),
        ("/api/generate", {}),
        ("/api/generate", {"keep_alive": 0}),
        ("/api/chat", {"messages": HELLO, "keep_alive": "soon"}),
        ("/api/embed", {"input": ["a", "b c"], "truncate": False}),
        ("/api/embeddings", {"prompt": "a", "keep_alive": "soon"}),
        ("/api/embed", {"input": []}),
        ("/api/embed", {"input": ""}),
        ("/api/embed", {}),
        ("/api/embeddings", {"prompt": ""}),
        ("/api/chat", {"messages": HELLO, "stream": False, "options": {"num_predict": 2.0, "top_k": 7.9}}),
    ],
)
async def test_asks_and_answers_pass_untouched(
    path: str, fields: dict[str, Any], packing: Packing, node: FakeUpstream, gateway: RunningGateway
):
    node.behave(packing=packing)
    body = json.dumps({"model": MODEL, **fields}, indent=1).encode()
    own, passed = await both(node, gateway, path, body)
    assert (passed.status_code, passed.headers["content-type"]) == (200, own.headers["content-type"])
    assert passed.content == own.content
    assert [(seen.path, seen.body) for seen in node.seen] == [(path, body)] * 2


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
async def test_a_page_for_people_is_no_answer(path: str, stream: bool, node: FakeUpstream, gateway: RunningGateway):
    node.behave(fault=Fault.HTML)
    async with httpx.AsyncClient(trust_env=False) as client:
        ask = {"model": MODEL, "messages": HELLO, "stream": stream}
        answer = await client.post(f"{gateway.url}{path}", json=ask)
    assert (answer.status_code, list(answer.json())) == (502, ["error"])


async def test_once_a_stream_is_done_nothing_can_be_missing(node: FakeUpstream, gateway: RunningGateway):
    node.behave(fault=Fault.LENGTH_TOO_LONG)
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{gateway.url}/api/chat", json={"model": MODEL, "messages": HELLO})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line.get("done") for line in lines] == [False] * (len(lines) - 1) + [True]
    await gateway.at_rest()
    assert [record.fault for record in await gateway.records()] == [""]


async def test_only_the_name_is_replaced_where_the_server_has_another(node: FakeUpstream, gateway: RunningGateway):
    for name in (SHORT, "chat"):
        sent = (
            b'{"model":"%b","messages":[{"role":"user","content":"a\\u00e9"}],"options":{"temperature":1.0e0}}'
            % name.encode()
        )
        _, passed = await both(node, gateway, "/api/chat", sent)
        assert passed.status_code == 200
        assert node.seen[-1].body == sent.replace(b'"%b"' % name.encode(), b'"%b"' % MODEL.encode())


async def test_ollamas_own_client(node: FakeUpstream, gateway: RunningGateway):
    async with ollama.AsyncClient(gateway.url, trust_env=False) as client:
        whole = await client.chat(MODEL, HELLO)
        parts = [part async for part in await client.chat(MODEL, HELLO, stream=True)]
        assert "".join(part.message.content or "" for part in parts) == whole.message.content
        assert (parts[-1].done, parts[-1].eval_count) == (True, 6)
        assert (await client.generate(SHORT, "x", suffix="y")).response == whole.message.content
        assert len((await client.embed("nomic-embed-text", ["a", "b"])).embeddings) == 2
    assert {seen.path for seen in node.seen} == {"/api/chat", "/api/generate", "/api/embed"}
    await gateway.at_rest()
    newest, *_ = reversed(await gateway.records())
    assert newest.completion_tokens == 6
    assert newest.prompt_tokens == 2
    assert newest.finish_reason == "stop"


async def test_openais_own_client(node: FakeUpstream, gateway: RunningGateway):
    http = httpx.AsyncClient(trust_env=False)
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key="none", max_retries=0, http_client=http
    ) as client:
        whole = await client.chat.completions.create(model=MODEL, messages=HELLO)
        stream = await client.chat.completions.create(model=SHORT, messages=HELLO, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
        assert text == whole.choices[0].message.content
        assert (await client.embeddings.create(model=MODEL, input="a")).data
        assert {model.id for model in (await client.models.list()).data} >= {MODEL, "chat"}
    assert {seen.path for seen in node.seen} == {"/v1/chat/completions", "/v1/embeddings"}


@pytest.mark.parametrize(
    "fault", [Fault.DROP_MID_STREAM, Fault.END_EARLY, Fault.NO_DONE, Fault.ERROR_IN_STREAM, Fault.MALFORMED_CHUNK]
)
@pytest.mark.parametrize("packing", list(Packing))
async def test_a_stream_that_breaks_off_ends_with_an_error_and_is_never_done(
    fault: Fault, packing: Packing, node: FakeUpstream, gateway: RunningGateway
):
    node.behave(fault=fault, after_chunks=2, packing=packing)
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{gateway.url}/api/chat", json={"model": MODEL, "messages": HELLO})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.status_code == 200
    assert list(lines[-1]) == ["error"]
    assert not any(line.get("done") for line in lines)
    assert sum("error" in line for line in lines) == 1
    await gateway.at_rest()
    assert (await gateway.records())[0].fault in ("stream_cut", "upstream_failed")


async def test_what_ollama_does_not_take_goes_to_its_other_api(node: FakeUpstream, gateway: RunningGateway):
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{gateway.url}/api/embeddings", json={"model": MODEL, "prompt": ["a", "b"]})
    assert len(answer.json()["embeddings"]) == 2
    assert [seen.path for seen in node.seen] == ["/v1/embeddings"]


async def test_its_errors_are_said_in_the_clients_dialect(node: FakeUpstream, gateway: RunningGateway):
    node.models = ("other",)
    async with httpx.AsyncClient(trust_env=False) as client:
        native = await client.post(f"{gateway.url}/api/chat", json={"model": MODEL, "messages": HELLO})
        other = await client.post(f"{gateway.url}/v1/chat/completions", json={"model": MODEL, "messages": HELLO})
        rerank = await client.post(f"{gateway.url}/v1/rerank", json={"model": MODEL, "query": "a", "documents": ["a"]})
    assert (native.status_code, native.json()) == (404, {"error": f"model '{MODEL}' not found"})
    assert (other.status_code, other.json()["error"]["code"]) == (404, "model_not_found")
    assert rerank.status_code == 501


@pytest.mark.parametrize(("path", "is_native"), [("/api/chat", True), ("/v1/chat/completions", False)])
async def test_an_open_stream_holds_nothing_of_its_request(
    path: str, is_native: bool, node: FakeUpstream, gateway: RunningGateway
):
    node.gate.hold(after_chunks=1)
    ask = {"model": MODEL, "messages": HELLO, "stream": True}
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        client.stream("POST", f"{gateway.url}{path}", json=ask) as answer,
    ):
        await anext(answer.aiter_bytes())
        [exchange] = gateway.remuda.gateway.live
        held: Any = exchange.drive
        frame = held._coroutine.cr_frame
        assert (frame.f_locals["ask"].body, frame.f_locals["ask"].native) == (b"", None)
        assert frame.f_locals["passing"]._is_native is is_native
    node.gate.release()
