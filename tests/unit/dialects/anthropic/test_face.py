"""The face towards the lane."""

import pytest

from remuda.core.ask import Operation
from remuda.core.faults import InvalidRequest
from remuda.dialects.anthropic.face import COUNT, MESSAGES, lane_routes

BODY = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}]}'


def test_its_routes_read_and_translate() -> None:
    messages, count = lane_routes(lambda: "req_7")
    assert (messages.path, messages.operation) == (MESSAGES, Operation.CHAT)
    assert (count.path, count.operation) == (COUNT, Operation.COUNT_TOKENS)
    face = messages.face
    assert (face.name, face.takes_comments) == ("anthropic", True)
    assert face.id_header == b"request-id"
    ask = face.read(Operation.CHAT, BODY)
    assert ask.native is not None
    assert (ask.native.dialect, ask.native.path, ask.native.body) == ("anthropic", MESSAGES, BODY)
    counting = face.read(Operation.COUNT_TOKENS, BODY).native
    assert counting is not None
    assert (counting.path, counting.body, counting.is_streamed) == (COUNT, BODY, False)
    words = face.translator(ask)
    assert words is not None
    assert b'"id":"msg_7"' in words.whole(b'{"choices":[{"message":{"content":"y"}}]}')
    counted = face.translator(face.read(Operation.COUNT_TOKENS, BODY))
    assert counted is not None
    assert counted.whole(b'{"input_tokens":3}') == b'{"input_tokens":3}'


@pytest.mark.parametrize("operation", [Operation.CHAT, Operation.COUNT_TOKENS])
@pytest.mark.parametrize(
    "place",
    [
        b'{"model":%b',
        b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":%b',
        b'{"model":"m","max_tokens":1,"messages":[],"tools":[{"name":"f","input_schema":%b',
    ],
)
def test_what_is_nested_too_deeply_is_refused(operation: Operation, place: bytes) -> None:
    [route, _] = lane_routes(lambda: "req_7")
    with pytest.raises(InvalidRequest):
        route.face.read(operation, place % (b"[" * 100_000))
