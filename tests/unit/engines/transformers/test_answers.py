"""OpenAI's shapes."""

import base64
import json
import struct
from typing import Any

import pytest

from remuda.core.ask import Operation
from remuda.engines.transformers.answers import Head, Said, embeddings
from remuda.gateway.scan import StreamScan
from tests.unit.engines.client import ask_of

CHAT = Head("chatcmpl-1", "m", 5, is_chat=True)
TEXT = Head("cmpl-1", "m", 5, is_chat=False)


def data_of(event: bytes) -> dict[str, Any]:
    assert event.startswith(b"data: ")
    assert event.endswith(b"}\n\n")
    value: dict[str, Any] = json.loads(event[6:])
    return value


def test_a_whole_chat() -> None:
    answer = CHAT.whole([Said("Hi", "stop"), Said("Ho", "length")], 3, 4)
    assert answer["object"] == "chat.completion"
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["Hi", "Ho"]
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def test_a_whole_completion() -> None:
    answer = TEXT.whole([Said("Hi", "stop")], 3, 4)
    assert (answer["object"], answer["choices"][0]["text"]) == ("text_completion", "Hi")


def test_the_chunks_of_a_chat() -> None:
    assert data_of(CHAT.chunk(0, None, None))["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert data_of(CHAT.chunk(1, "é", None))["choices"][0] == {
        "index": 1,
        "delta": {"content": "é"},
        "finish_reason": None,
    }
    assert data_of(CHAT.chunk(0, "", "stop"))["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}
    assert data_of(CHAT.usage_chunk(1, 2))["choices"] == []


def test_the_chunks_of_a_completion() -> None:
    assert data_of(TEXT.chunk(0, "a", None))["choices"][0]["text"] == "a"
    assert data_of(TEXT.chunk(0, "", "length"))["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("head", [CHAT, TEXT])
def test_the_gateway_reads_these_streams(head: Head) -> None:
    operation = Operation.CHAT if head.is_chat else Operation.COMPLETION
    scan = StreamScan(ask_of(operation, {}, is_streamed=True), drops_progress=False, transcript=None)
    passed = b"".join(
        scan.feed(event)
        for event in (
            head.chunk(0, "a", None),
            head.chunk(0, "", "stop"),
            head.usage_chunk(3, 1),
            b"data: [DONE]\n\n",
        )
    )
    assert scan.is_complete
    assert scan.finish_reason == "stop"
    assert b"usage" not in passed, "nobody asked for it"


def test_vectors() -> None:
    plain = embeddings("m", [[1.0, 0.5]], 7, is_base64=False)
    assert plain["data"] == [{"object": "embedding", "index": 0, "embedding": [1.0, 0.5]}]
    assert plain["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    coded = embeddings("m", [[1.0, 0.5]], 7, is_base64=True)["data"][0]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(coded)) == (1.0, 0.5)
