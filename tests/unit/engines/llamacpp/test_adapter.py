"""llama.cpp's words: what is sent, and what its errors mean, the latter from the real engine."""

import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from remuda.core.ask import Operation
from remuda.core.clock import SystemClock
from remuda.core.faults import (
    ContextOverflow,
    EngineDown,
    InvalidJson,
    InvalidRequest,
    NotOffered,
    RateLimited,
    Unavailable,
    UpstreamFailed,
    UpstreamRefused,
)
from remuda.engines.children.process import Child
from remuda.engines.launch import EngineSettings, LocalModel
from remuda.engines.llamacpp.adapter import LlamaCpp
from remuda.engines.llamacpp.process import XllamaLauncher
from remuda.engines.tiny import CHAT, EMBED
from tests.random_model import write_random_model
from tests.unit.engines.client import ask_of, fault_from, get, send, session_to, until

MESSAGES = [{"role": "user", "content": "Hello"}]
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{broken"}}],
}
ENGINE = LlamaCpp()


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": MESSAGES, **fields}


# What is sent


def test_every_byte_of_the_client_is_kept_behind_what_is_added() -> None:
    body = b'  { "model" : "m",\n "messages":[{"role":"user","content":"\\u00e9 \xc3\xa9"}], "temperature":1.50 }\n'
    outgoing = ENGINE.outgoing(ask_of(Operation.CHAT, body), "m")
    added = b'"stream":true,"return_progress":true,"stream_options":{"include_usage":true},'
    assert outgoing.body == body.replace(b"{", b"{" + added, 1)
    assert (outgoing.path, outgoing.is_streamed, outgoing.may_emit_progress) == ("/v1/chat/completions", True, True)


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (None, {"include_usage": True}),
        ({"include_usage": False}, {"include_usage": True}),
        ({"include_usage": True, "include_obfuscation": False}, {"include_usage": True, "include_obfuscation": False}),
        ({}, {"include_usage": True}),
    ],
)
def test_usage_is_asked_for_beside_other_stream_options(options: Any, sent: dict[str, Any]) -> None:
    ask = ask_of(Operation.COMPLETION, {"prompt": "x", "stream_options": options})
    assert json.loads(ENGINE.outgoing(ask, "m").body)["stream_options"] == sent


def test_the_stop_sequence_is_told_where_it_is_wanted() -> None:
    told = {"verbose": True, "response_fields": ["stopping_word"]}
    plain = json.loads(ENGINE.outgoing(ask_of(Operation.CHAT, chat(stop=["x"])), "m").body)
    assert not told.keys() & plain.keys()
    wanted = json.loads(ENGINE.outgoing(ask_of(Operation.CHAT, chat(stop=["x"]), wants_stop_word=True), "m").body)
    assert {name: wanted[name] for name in told} == told


def test_a_count_is_of_what_a_chat_would_be() -> None:
    outgoing = ENGINE.outgoing(ask_of(Operation.COUNT_TOKENS, chat(tools=[{}], tool_choice="none")), "m")
    assert (outgoing.path, outgoing.is_streamed) == ("/v1/chat/completions/input_tokens", False)
    assert json.loads(outgoing.body)["tools"] == []
    assert type(ENGINE.fault_of(404, b"{}", Operation.COUNT_TOKENS)) is NotOffered


def test_a_client_that_does_not_stream_is_streamed_for() -> None:
    body = b'{"stream":false,"model":"m","big":123456789012345678901234567890, "messages":[]}'
    sent = ENGINE.outgoing(ask_of(Operation.CHAT, body), "m").body
    assert json.loads(sent)["stream"] is True
    assert b"123456789012345678901234567890" in sent
    assert sent.count(b'"stream"') == 1


def test_the_model_is_renamed_only_where_it_differs() -> None:
    ask = ask_of(Operation.EMBEDDING, b'{"model": "m", "input": [ "a" ]}')
    same = ENGINE.outgoing(ask, "m")
    assert same.body is ask.body
    assert (same.path, same.is_streamed, same.may_emit_progress) == ("/v1/embeddings", False, False)
    assert ENGINE.outgoing(ask, 'other "name"').body == b'{"model":"other \\"name\\"","input":[ "a" ]}'


def test_responses_have_no_stream_options_and_reranking_is_not_streamed() -> None:
    sent = json.loads(ENGINE.outgoing(ask_of(Operation.RESPONSE, {"input": "x"}), "m").body)
    assert sent == {"input": "x", "stream": True, "return_progress": True}
    rerank = ENGINE.outgoing(ask_of(Operation.RERANK, {"query": "x"}), "m")
    assert (rerank.path, rerank.is_streamed, json.loads(rerank.body)) == ("/v1/rerank", False, {"query": "x"})


@pytest.mark.parametrize(("is_streamed", "expected"), [(True, False), (False, True)])
def test_progress_is_no_secret_from_a_streaming_client_that_asked_for_it(is_streamed: bool, expected: bool) -> None:
    ask = ask_of(Operation.CHAT, chat(return_progress=True), is_streamed=is_streamed)
    assert ENGINE.outgoing(ask, "m").may_emit_progress is expected


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b'{"a":1}}', b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidJson):
        ENGINE.outgoing(ask_of(Operation.CHAT, body), "m")


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"null"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="JSON object"):
        ENGINE.outgoing(ask_of(Operation.CHAT, body), "m")


def test_stream_options_that_are_no_object_are_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        ENGINE.outgoing(ask_of(Operation.CHAT, chat(stream_options=5)), "m")
    assert caught.value.parameter == "stream_options"


@pytest.mark.parametrize(("dimensions", "received"), [(64, 64), ("64", None), ([1], None), (0, 0)])
def test_a_size_of_vectors_that_the_engine_would_pass_over_is_refused(dimensions: Any, received: int | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ENGINE.outgoing(ask_of(Operation.EMBEDDING, {"input": "x", "dimensions": dimensions}), "m")
    assert (caught.value.parameter, caught.value.received) == ("dimensions", received)
    sent = ENGINE.outgoing(ask_of(Operation.EMBEDDING, {"input": "x", "dimensions": None}), "m").body
    assert json.loads(sent)["dimensions"] is None
    assert json.loads(ENGINE.outgoing(ask_of(Operation.CHAT, chat(dimensions=64)), "m").body)["dimensions"] == 64


# What errors mean, by word


def error(status: int, message: str, type_: str = "server_error", **fields: Any) -> bytes:
    return json.dumps({"error": {"code": status, "message": message, "type": type_, **fields}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (500, error(500, "input is too large to process. increase the physical batch size"), ContextOverflow),
        (500, error(500, "something broke in /srv/models/secret.gguf"), UpstreamFailed),
        (500, b"<html>", UpstreamFailed),
        (502, b"", UpstreamFailed),
        (401, error(401, "Invalid API Key", "authentication_error"), UpstreamFailed),
        (503, error(503, "Loading model", "unavailable_error"), EngineDown),
        (503, b"", EngineDown),
        (404, error(404, "File Not Found", "not_found_error"), NotOffered),
        (501, error(501, "not supported", "not_supported_error"), NotOffered),
        (400, b"", InvalidRequest),
        (413, b"", UpstreamRefused),
        (403, b"", UpstreamFailed),
        (429, b"<html>", RateLimited),
        (529, b"<html>", Unavailable),
    ],
)
def test_errors_by_status(status: int, body: bytes, fault: type) -> None:
    found = ENGINE.fault_of(status, body, Operation.CHAT)
    assert type(found) is fault
    assert "secret" not in found.message
    assert found.message


def test_a_wrong_type_is_said_with_the_right_one() -> None:
    said = "Field 'top_k': [json.exception.type_error.302] type must be number, but is string"
    found = ENGINE.fault_of(400, error(400, said, "invalid_request_error"), Operation.CHAT)
    assert (found.parameter, found.expected) == ("top_k", "number")


@pytest.mark.parametrize("operation", list(Operation))
def test_an_overflow_names_what_is_too_long(operation: Operation) -> None:
    parameters = {"chat": "messages", "completion": "prompt", "rerank": "documents", "count_tokens": "messages"}
    for body in (
        error(400, "the request exceeds", "exceed_context_size_error", n_prompt_tokens=9000, n_ctx=1024),
        error(500, "input is too large to process. increase the physical batch size"),
    ):
        found = ENGINE.fault_of(400, body, operation)
        assert type(found) is ContextOverflow
        assert found.parameter == parameters.get(operation.value, "input")
        assert found.expected


def test_file_names_and_long_texts_are_left_out_of_messages() -> None:
    found = ENGINE.fault_of(400, error(400, "cannot read /srv/models/secret.gguf now\n" + "x" * 5000), Operation.CHAT)
    assert found.message.startswith("cannot read … now x")
    assert len(found.message) == 500


# What the engine itself says: one engine of each kind for all of these


@asynccontextmanager
async def running(model: LocalModel) -> AsyncIterator[Child]:
    with tempfile.TemporaryDirectory(prefix="rmd") as folder:
        child = await XllamaLauncher(Path(folder), SystemClock()).start(model, lambda progress: None)
        try:
            yield child
        finally:
            await child.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chat_engine() -> AsyncIterator[Child]:
    async with running(LocalModel("remuda-tiny", CHAT, EngineSettings(slots=2, context=1024, threads=1))) as child:
        yield child


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embed_engine() -> AsyncIterator[Child]:
    async with running(LocalModel("embed", EMBED, EngineSettings(slots=2, context=1024, threads=1))) as child:
        yield child


@pytest.mark.engine
@pytest.mark.asyncio(loop_scope="module")
async def test_an_answer_comes_streamed_with_progress_first_and_usage_last(chat_engine: Child) -> None:
    ask = ask_of(Operation.CHAT, chat(max_tokens=5, temperature=0))
    answer = await send(chat_engine, ENGINE.outgoing(ask, "m"))
    assert answer.status == 200
    assert "prompt_progress" in answer.events[0]
    assert answer.events[-1]["choices"] == []
    assert answer.events[-1]["usage"]["completion_tokens"] == 5
    assert answer.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.engine
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("operation", "fields", "fault", "parameter", "says"),
    [
        (Operation.CHAT, {"messages": None}, InvalidRequest, "messages", "array"),
        (Operation.CHAT, {"messages": [{"content": "x"}]}, InvalidRequest, "messages", "Missing 'role'"),
        (Operation.CHAT, {"messages": [{"role": "user"}]}, InvalidRequest, None, "content"),
        (
            Operation.CHAT,
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://a/b"}}]}]},
            InvalidRequest,
            "messages",
            "image input is not supported",
        ),
        (
            Operation.CHAT,
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": ""}}]}]},
            InvalidRequest,
            "messages",
            "audio input is not supported",
        ),
        (Operation.CHAT, {"messages": [{"role": "user", "content": "x" * 9000}]}, ContextOverflow, "messages", "1024"),
        (Operation.CHAT, {"temperature": "hot"}, InvalidRequest, "temperature", "must be number"),
        (Operation.CHAT, {"n": 3}, InvalidRequest, "n", "from 1 to 2 here, not 3. This model's engine makes no more"),
        (Operation.CHAT, {"tools": "x"}, InvalidRequest, "tools", "array"),
        (Operation.CHAT, {"tools": [{"a": 1}]}, InvalidRequest, "tools", "Missing tool type"),
        (Operation.CHAT, {"reasoning_format": "alien"}, InvalidRequest, "reasoning_format", "alien"),
        (Operation.CHAT, {"response_format": {"type": "alien"}}, InvalidRequest, None, "response_format"),
        (
            Operation.CHAT,
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "nonsense"}}}},
            InvalidRequest,
            None,
            "unrecognized type nonsense",
        ),
        (Operation.CHAT, {"grammar": "root ::= (("}, InvalidRequest, None, "grammar"),
        (
            Operation.CHAT,
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": 5}}], "tool_choice": "required"},
            InvalidRequest,
            None,
            "schema must be an object",
        ),
        (
            Operation.CHAT,
            {"messages": [*MESSAGES, CALL, {"role": "tool", "tool_call_id": "1", "content": "x"}]},
            InvalidRequest,
            "messages",
            "tool call arguments",
        ),
        (Operation.CHAT, {"grammar": 'root ::= "a"', "json_schema": {}}, InvalidRequest, "grammar", "both"),
        (Operation.COMPLETION, {"prompt": 5}, InvalidRequest, "prompt", "prompt"),
        (Operation.COMPLETION, {}, InvalidRequest, None, "prompt"),
        (Operation.COMPLETION, {"prompt": [99_999_999]}, InvalidRequest, None, "invalid tokens"),
        (Operation.COMPLETION, {"prompt": "x" * 9000}, ContextOverflow, "prompt", "1024"),
        (Operation.RESPONSE, {"input": 5}, InvalidRequest, "input", "string or array"),
        (
            Operation.RESPONSE,
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://a/b"}]}]},
            InvalidRequest,
            "input",
            "image input is not supported",
        ),
        (Operation.RESPONSE, {"input": "x" * 9000}, ContextOverflow, "input", "1024"),
        (Operation.EMBEDDING, {"input": "x"}, NotOffered, None, "not started for embeddings"),
        (Operation.RERANK, {"query": "x", "documents": ["y"]}, NotOffered, None, "not started for reranking"),
    ],
)
async def test_the_engines_own_errors(
    chat_engine: Child, operation: Operation, fields: dict[str, Any], fault: type, parameter: str | None, says: str
) -> None:
    base = {Operation.CHAT: chat(), Operation.COMPLETION: {}, Operation.RESPONSE: {}}.get(operation, {})
    found = await fault_from(ENGINE, chat_engine, ask_of(operation, {**base, **fields}))
    assert type(found) is fault, found.message
    assert found.parameter == parameter
    assert says in found.message
    assert "------" not in found.message
    if fault is ContextOverflow:
        assert isinstance(found.received, int)
        assert found.expected == "at most 1024 tokens"
    if parameter == "n":
        assert (found.received, found.expected) == (3, "1 to 2")


@pytest.mark.engine
@pytest.mark.asyncio(loop_scope="module")
async def test_an_embedding_of_a_long_text_is_refused_clearly(embed_engine: Child) -> None:
    found = await fault_from(ENGINE, embed_engine, ask_of(Operation.EMBEDDING, {"input": "llama " * 4000}))
    assert type(found) is ContextOverflow
    assert "tokens" in found.message
    assert (found.parameter, found.expected) == ("input", "at most 1024 tokens")


@pytest.mark.engine
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("fields", "parameter", "says"),
    [
        ({"input": 5}, "input", '"input" elements'),
        ({"input": []}, "input", "must not be empty"),
        ({"input": "x", "encoding_format": "alien"}, None, "base64"),
    ],
)
async def test_the_engines_own_errors_of_embeddings(
    embed_engine: Child, fields: dict[str, Any], parameter: str | None, says: str
) -> None:
    found = await fault_from(ENGINE, embed_engine, ask_of(Operation.EMBEDDING, fields))
    assert type(found) is InvalidRequest
    assert found.parameter == parameter
    assert says in found.message


@pytest.mark.engine
@pytest.mark.asyncio(loop_scope="module")
async def test_an_embedding_model_embeds_as_the_client_wishes_and_still_chats(embed_engine: Child) -> None:
    for text in ("a", ["a", "b"], [1, 2], [[1], [2, 3]]):
        for encoding in ("float", "base64"):
            ask = ask_of(Operation.EMBEDDING, {"input": text, "encoding_format": encoding})
            data = (await send(embed_engine, ENGINE.outgoing(ask, "m"))).json["data"]
            assert [type(item["embedding"]) for item in data] == [str if encoding == "base64" else list] * len(data)
    answer = await send(embed_engine, ENGINE.outgoing(ask_of(Operation.CHAT, chat(max_tokens=3)), "m"))
    assert answer.events[-1]["usage"]["completion_tokens"] == 3


@pytest.mark.engine
async def test_a_model_that_ranks_is_started_for_it(tmp_path: Path) -> None:
    model = LocalModel("ranker", write_random_model(tmp_path / "ranker.gguf", pooling=4), EngineSettings(slots=1))
    async with running(model) as child:
        ask = ask_of(Operation.RERANK, {"query": "a", "documents": ["b", "c"]})
        results = (await send(child, ENGINE.outgoing(ask, "m"))).json["results"]
        assert sorted(result["index"] for result in results) == [0, 1]
        found = await fault_from(ENGINE, child, ask_of(Operation.RERANK, {"query": "a", "documents": "b"}))
        assert (type(found), found.parameter) == (InvalidRequest, "documents")
        long = await fault_from(ENGINE, child, ask_of(Operation.RERANK, {"query": "a" * 600, "documents": ["b"]}))
        assert (type(long), long.parameter) == (ContextOverflow, "documents")


@pytest.mark.engine
@pytest.mark.asyncio(loop_scope="module")
async def test_each_of_several_answers_has_its_own_usage(chat_engine: Child) -> None:
    """What the gateway's sum rests on: the prompt is counted in each, one usage per answer, in no order."""
    events = (await send(chat_engine, ENGINE.outgoing(ask_of(Operation.CHAT, chat(n=2, max_tokens=4)), "m"))).events
    usages = [event["usage"] for event in events if "usage" in event]
    assert len(usages) == 2
    assert len({usage["prompt_tokens"] for usage in usages}) == 1
    assert all(0 < usage["completion_tokens"] <= 4 for usage in usages)


@pytest.mark.engine
@pytest.mark.asyncio(loop_scope="module")
async def test_a_text_up_to_the_context_is_embedded(embed_engine: Child) -> None:
    answer = await send(embed_engine, ENGINE.outgoing(ask_of(Operation.EMBEDDING, {"input": "a " * 700}), "m"))
    assert answer.status == 200, answer.body
    assert answer.json["usage"]["prompt_tokens"] > 512


# Cancellation: what the adapter asks for is what makes it possible


@pytest.fixture
async def slow_engine(tmp_path: Path) -> AsyncIterator[Child]:
    """The real engine with a model that takes seconds for a long prompt, one slot."""
    path = write_random_model(tmp_path / "slow.gguf", width=256, layers=8, feed_forward=1024, context=4096)
    model = LocalModel("slow", path, EngineSettings(slots=1, context=4096, threads=1, batch=64))
    async with running(model) as child:
        yield child


LONG = 3000


async def metric(child: Child, name: str) -> int:
    async with session_to(child.address) as session, session.get("/metrics") as response:
        text = await response.text()
    return int(next(line for line in text.splitlines() if line.startswith(f"llamacpp:{name} ")).split()[1])


async def leave_after(child: Child, body: dict[str, Any], is_reached: Callable[[dict[str, Any]], bool]) -> None:
    """Ask as a client that does not stream, and leave at the first event that `is_reached`; return when it is idle."""
    outgoing = ENGINE.outgoing(ask_of(Operation.CHAT, body), "m")
    async with session_to(child.address) as session, session.post(outgoing.path, data=outgoing.body) as response:
        async for line in response.content:
            if line.startswith(b"data: {") and is_reached(json.loads(line[6:])):
                break
        assert (await get(child, "/slots"))[0]["is_processing"] is True
        response.close()

    async def is_idle() -> bool:
        return (await get(child, "/slots"))[0]["is_processing"] is False

    await until(is_idle)


@pytest.mark.engine
async def test_a_client_that_leaves_while_its_prompt_is_read_frees_the_slot(slow_engine: Child) -> None:
    body = chat(messages=[{"role": "user", "content": "x" * LONG}], max_tokens=10)
    await leave_after(slow_engine, body, lambda event: event["prompt_progress"]["processed"] >= 64)
    assert await metric(slow_engine, "prompt_tokens_total") < LONG


@pytest.mark.engine
async def test_a_client_that_leaves_while_text_is_made_frees_the_slot(slow_engine: Child) -> None:
    body = chat(max_tokens=LONG, ignore_eos=True)
    await leave_after(slow_engine, body, lambda event: "prompt_progress" not in event)
    assert await metric(slow_engine, "tokens_predicted_total") < LONG
