"""Asks in Ollama's words, and its errors as faults."""

import json

import pytest

from remuda.core.ask import Ask, Native, Operation
from remuda.core.faults import (
    ContextOverflow,
    Fault,
    InvalidRequest,
    NotOffered,
    Unavailable,
    UnknownModel,
    UpstreamFailed,
    UpstreamRefused,
)
from remuda.engines.llamacpp.adapter import LlamaCpp
from remuda.engines.ollama.adapter import Ollama
from remuda.engines.openai.adapter import OpenAILike

ENGINE = Ollama()
WRITTEN = b'{ "model": "a/b:latest", "messages": [], "x": 1.50 }'


def ask(operation: Operation = Operation.CHAT, native: Native | None = None, *, is_streamed: bool = False) -> Ask:
    body = b'{"model":"a/b:latest","prompt":"x"}'
    return Ask(operation, "a/b:latest", is_streamed, False, 1, body, native=native)


def test_its_own_dialects_asks_pass_as_they_were_written() -> None:
    out = ENGINE.outgoing(ask(native=Native("ollama", "/api/chat", WRITTEN, True)), "a/b:latest")
    assert (out.path, out.is_native, out.is_streamed, out.translate) == ("/api/chat", True, True, None)
    assert out.body is WRITTEN


def test_anthropics_are_passed_where_it_speaks_them() -> None:
    native = Native("anthropic", "/v1/messages", WRITTEN, True)
    out = Ollama(["anthropic"]).outgoing(ask(native=native), "a/b:latest")
    assert (out.path, out.is_native, out.is_streamed) == ("/v1/messages", True, True)
    assert out.body is WRITTEN


def test_only_another_name_is_put_in() -> None:
    out = ENGINE.outgoing(ask(native=Native("ollama", "/api/chat", WRITTEN, True)), "c")
    assert out.body == b'{"model":"c","messages":[],"x":1.50}'


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        (Operation.CHAT, "/v1/chat/completions"),
        (Operation.COMPLETION, "/v1/completions"),
        (Operation.RESPONSE, "/v1/responses"),
        (Operation.EMBEDDING, "/v1/embeddings"),
    ],
)
def test_others_asks_go_to_its_openai_api(operation: Operation, path: str) -> None:
    for native in (None, Native("anthropic", "/v1/messages", b"{}", True)):
        out = ENGINE.outgoing(ask(operation, native, is_streamed=True), "c")
        assert (out.path, out.is_native, out.is_streamed) == (path, False, True)
        body = json.loads(out.body)
        assert body["model"] == "c"
        assert ("stream_options" in body) is (operation in (Operation.CHAT, Operation.COMPLETION))


def test_what_it_has_no_api_for_is_not_offered() -> None:
    with pytest.raises(NotOffered):
        ENGINE.outgoing(ask(Operation.RERANK), "m")
    count = ask(Operation.COUNT_TOKENS, Native("anthropic", "/v1/messages/count_tokens", b"{}", False))
    with pytest.raises(NotOffered, match="count tokens"):
        Ollama(["anthropic"]).outgoing(count, "m")


@pytest.mark.parametrize("engine", [OpenAILike(), LlamaCpp()])
def test_other_engines_say_what_is_wrong_with_what_only_it_can_be_asked(engine: OpenAILike | LlamaCpp) -> None:
    native = Native("ollama", "/api/generate", b"{}", True, InvalidRequest("no suffix here"))
    with pytest.raises(InvalidRequest, match="no suffix here"):
        engine.outgoing(ask(native=native), "m")
    assert ENGINE.outgoing(ask(native=native), "a/b:latest").is_native


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, b'{"error":"model \'x:latest\' not found"}', UnknownModel),
        (404, b'{"error":"model \\"x\\" not found, try pulling it first"}', UnknownModel),
        (404, b'{"error":{"message":"model \'x\' not found","type":"not_found_error"}}', UnknownModel),
        (404, b"404 page not found", UpstreamRefused),
        (400, b'{"error":"\\"x\\" does not support tools"}', UpstreamRefused),
        (400, b'{"error":"the input length exceeds the context length"}', ContextOverflow),
        (503, b'{"error":"server busy, please try again.  maximum pending requests exceeded"}', Unavailable),
        (529, b'{"type":"error","error":{"type":"overloaded_error","message":"full"}}', Unavailable),
        (500, b'{"error":"llama runner process has terminated"}', UpstreamFailed),
        (401, b'{"error":"unauthorized"}', UpstreamFailed),
    ],
)
def test_its_errors(status: int, body: bytes, kind: type[Fault]) -> None:
    fault = ENGINE.fault_of(status, body, Operation.CHAT)
    assert type(fault) is kind


def test_it_keeps_connections_and_tells_no_slots() -> None:
    assert ENGINE.reuses_after_stream
    assert ENGINE.slots_path is None
    assert not ENGINE.counts_tokens
    with pytest.raises(ValueError, match="does not tell"):
        ENGINE.busy_slots(b"[]")
