"""Asks in the child's words, and its errors as faults."""

import json
from typing import Any

import pytest

from remuda.core.ask import Operation
from remuda.core.faults import ContextOverflow, EngineDown, Fault, InvalidRequest, NotOffered, UpstreamFailed
from remuda.engines.protocol import Engine
from remuda.engines.transformers.adapter import Transformers
from remuda.engines.transformers.asked import not_offered, overflow
from tests.unit.engines.client import ask_of

ENGINE: Engine = Transformers()


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        (Operation.CHAT, "/v1/chat/completions"),
        (Operation.COMPLETION, "/v1/completions"),
        (Operation.EMBEDDING, "/v1/embeddings"),
        (Operation.COUNT_TOKENS, "/v1/chat/completions/input_tokens"),
    ],
)
def test_what_it_offers(operation: Operation, path: str) -> None:
    outgoing = ENGINE.outgoing(ask_of(operation, {"model": "m"}), "m")
    assert (outgoing.path, outgoing.body, outgoing.is_streamed) == (path, b'{"model": "m"}', False)


@pytest.mark.parametrize("operation", [Operation.RESPONSE, Operation.RERANK])
def test_what_it_lacks(operation: Operation) -> None:
    with pytest.raises(NotOffered, match="served by transformers"):
        ENGINE.outgoing(ask_of(operation, {}), "m")


def test_a_stream_tells_its_usage() -> None:
    outgoing = ENGINE.outgoing(ask_of(Operation.CHAT, {"stream": True}, is_streamed=True), "m")
    assert outgoing.is_streamed
    assert json.loads(outgoing.body)["stream_options"] == {"include_usage": True}


def fault(status: int, error: Any, operation: Operation = Operation.CHAT) -> Fault:
    return ENGINE.fault_of(status, json.dumps({"error": error}).encode(), operation)


@pytest.mark.parametrize(
    ("operation", "parameter"),
    [(Operation.CHAT, "messages"), (Operation.COMPLETION, "prompt"), (Operation.EMBEDDING, "input")],
)
def test_a_prompt_that_is_too_long(operation: Operation, parameter: str) -> None:
    found = fault(400, overflow(70, 64).error, operation)
    assert isinstance(found, ContextOverflow)
    assert found.message == "The input has 70 tokens; the context of this model takes 64."
    assert (found.parameter, found.received, found.expected) == (parameter, 70, "at most 64 tokens")


def test_other_faults() -> None:
    refused = fault(400, {"message": "n must be a number.", "param": "n"})
    assert (type(refused), refused.message, refused.parameter) == (InvalidRequest, "n must be a number.", "n")
    assert isinstance(fault(400, not_offered("no chat").error), NotOffered)
    assert isinstance(fault(401, {"message": "the key is wrong"}), UpstreamFailed)
    failed = fault(500, {"message": "The model's engine failed: KeyError.", "code": 500})
    assert (type(failed), failed.message) == (EngineDown, "The model's engine failed: KeyError.")
    assert isinstance(ENGINE.fault_of(502, b"<html>", Operation.CHAT), EngineDown)


def test_busy_slots() -> None:
    assert ENGINE.busy_slots(b'[{"id":0,"is_processing":true},{"id":1,"is_processing":false}]') == 1
    with pytest.raises(ValueError, match="no list of slots"):
        ENGINE.busy_slots(b"{}")
