"""OpenAI-compatible servers: the ask as it came, and their errors."""

import json
from typing import Any

import pytest

from remuda.core.ask import Native, Operation
from remuda.core.faults import (
    ContextOverflow,
    Fault,
    InvalidRequest,
    LoopDetected,
    NotOffered,
    RateLimited,
    Unavailable,
    UpstreamFailed,
    UpstreamRefused,
)
from remuda.engines.openai.adapter import OpenAILike
from tests.unit.engines.client import ask_of

ENGINE = OpenAILike()


@pytest.mark.parametrize("operation", [each for each in Operation if each is not Operation.COUNT_TOKENS])
@pytest.mark.parametrize(("is_streamed", "wants_usage"), [(False, False), (True, True)])
def test_a_body_that_needs_nothing_passes_untouched(operation: Operation, is_streamed: bool, wants_usage: bool) -> None:
    ask = ask_of(operation, b'{ "model": "m", broken', is_streamed=is_streamed, wants_usage=wants_usage)
    outgoing = ENGINE.outgoing(ask, "m")
    assert outgoing.body is ask.body
    assert (outgoing.is_streamed, outgoing.may_emit_progress) == (is_streamed, False)
    assert outgoing.path.startswith("/")
    assert not outgoing.path.startswith("/v1")


@pytest.mark.parametrize(("name", "body"), [("m", b'{ "model": "m" }'), ("n", b'{"model":"n"}')])
def test_other_dialects_pass_where_the_server_speaks_them(name: str, body: bytes) -> None:
    native = Native("anthropic", "/v1/messages", b'{ "model": "m" }', True)
    ask = ask_of(Operation.CHAT, {"model": "m"}, is_streamed=True, native=native)
    out = OpenAILike(["anthropic"]).outgoing(ask, name)
    assert (out.path, out.body, out.is_native, out.is_streamed) == ("/messages", body, True, True)
    assert not ENGINE.outgoing(ask, name).is_native


def test_usage_is_asked_for_in_every_stream_that_can_tell_it() -> None:
    body = b'{"model":"m", "stream":true, "messages" : []}'
    sent = ENGINE.outgoing(ask_of(Operation.CHAT, body, is_streamed=True), "m").body
    assert sent == b'{"stream_options":{"include_usage":true},' + body[1:]
    assert ENGINE.outgoing(ask_of(Operation.RESPONSE, body, is_streamed=True), "m").body is body


@pytest.mark.parametrize("options", [{"include_usage": False, "include_obfuscation": False}, None])
def test_other_stream_options_are_kept(options: dict[str, Any] | None) -> None:
    ask = ask_of(Operation.COMPLETION, {"prompt": "x", "stream": True, "stream_options": options}, is_streamed=True)
    sent = json.loads(ENGINE.outgoing(ask, "m").body)
    assert sent["stream_options"] == {**(options or {}), "include_usage": True}


def test_stream_options_that_are_no_object_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="must be an object"):
        ENGINE.outgoing(ask_of(Operation.CHAT, {"stream_options": [1]}, is_streamed=True), "m")


def test_the_model_is_renamed_and_nothing_else() -> None:
    ask = ask_of(Operation.CHAT, b'{"temperature": 1.50, "model": "m"}')
    assert ENGINE.outgoing(ask, "org/model").body == b'{"temperature":1.50,"model":"org/model"}'


def error(**fields: Any) -> bytes:
    return json.dumps({"error": fields}).encode()


@pytest.mark.parametrize(
    ("status", "body", "fault", "message"),
    [
        (400, error(message="no such thing", type="invalid_request_error", param="top_k"), UpstreamRefused, "no such"),
        (400, error(message="too long", code="context_length_exceeded"), ContextOverflow, "too long"),
        (400, error(message="too long", type="exceed_context_size_error"), ContextOverflow, "too long"),
        (400, b'{"message": "plain", "type": "BadRequestError"}', UpstreamRefused, "plain"),
        (422, b'{"detail": [{"loc": ["body"], "msg": "odd"}]}', UpstreamRefused, '"msg":"odd"'),
        (404, b'{"error": "model not found"}', UpstreamRefused, "model not found"),
        (418, b"<html>", UpstreamRefused, "answered 418"),
        (400, error(message="a\nb\x1b[31m" + "x" * 5000), UpstreamRefused, "a b [31mxxx"),
        (401, error(message="Incorrect API key provided: sk-geheim"), UpstreamFailed, "credential"),
        (403, error(message="key sk-geheim may not"), UpstreamFailed, "credential"),
        (429, error(message="slow down"), RateLimited, "slow down"),
        (429, b"", RateLimited, "too many requests"),
        (500, error(message="out of memory"), UpstreamFailed, "500: out of memory"),
        (501, error(message="no reranking here", type="not_supported_error"), NotOffered, "no reranking here"),
        (501, b"", NotOffered, "does not offer that"),
        (502, b"", UpstreamFailed, "answered 502"),
        (508, error(message="nobody has m here"), LoopDetected, "nobody has m here"),
        (508, b"", LoopDetected, "has come back"),
        (503, b"", Unavailable, "cannot be served"),
        (529, error(message="full", type="overloaded_error"), Unavailable, "full"),
        (503, b"[" * 100_000, Unavailable, "cannot be served"),
        (500, b'"text"', UpstreamFailed, "500: text"),
        (500, b"5", UpstreamFailed, "answered 500"),
    ],
)
def test_errors(status: int, body: bytes, fault: type[Fault], message: str) -> None:
    found = ENGINE.fault_of(status, body, Operation.CHAT)
    assert type(found) is fault
    assert message in found.message
    assert "geheim" not in found.message
    assert len(found.message) <= 600
    assert found.message.isprintable()


def test_what_the_server_said_of_its_error_is_kept() -> None:
    found = ENGINE.fault_of(400, error(message="m", type="t" * 500, param="top_k"), Operation.CHAT)
    assert isinstance(found, UpstreamRefused)
    assert (found.status, found.parameter, len(found.type or "")) == (400, "top_k", 100)


@pytest.mark.parametrize(("operation", "named"), [(Operation.CHAT, "messages"), (Operation.EMBEDDING, "input")])
def test_an_overflow_names_what_is_too_long(operation: Operation, named: str) -> None:
    found = ENGINE.fault_of(400, error(message="too long", code="context_length_exceeded"), operation)
    assert (found.parameter, found.expected) == (named, "a shorter input")
    found = ENGINE.fault_of(400, error(message="too long", code="context_length_exceeded", param="top"), operation)
    assert found.parameter == "top"


def test_tokens_are_counted_where_the_server_does() -> None:
    native = Native("anthropic", "/v1/messages/count_tokens", b'{"model":"m"}', False)
    ask = ask_of(Operation.COUNT_TOKENS, b"{}", native=native)
    for engine in (ENGINE, OpenAILike(["anthropic"])):
        assert not engine.counts_tokens
        with pytest.raises(NotOffered, match="count tokens"):
            engine.outgoing(ask, "m")
    counting = OpenAILike(["anthropic"], counts_tokens=True)
    assert counting.counts_tokens
    out = counting.outgoing(ask, "n")
    assert (out.path, out.body, out.is_native) == ("/messages/count_tokens", b'{"model":"n"}', True)
    with pytest.raises(NotOffered, match="count tokens"):
        counting.outgoing(ask_of(Operation.COUNT_TOKENS, b"{}"), "m")
