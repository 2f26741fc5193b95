"""The face towards the lane."""

import pytest

from remuda.core.ask import Operation
from remuda.core.faults import InvalidRequest
from remuda.dialects.anthropic.face import MESSAGES, lane_routes


def test_its_route_reads_and_translates() -> None:
    [route] = lane_routes(lambda: "req_7")
    assert (route.path, route.operation, route.face.name, route.face.takes_comments) == (
        MESSAGES,
        Operation.CHAT,
        "anthropic",
        True,
    )
    ask = route.face.read(Operation.CHAT, b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}]}')
    words = route.face.translator(ask)
    assert words is not None
    assert b'"id":"msg_7"' in words.whole(b'{"choices":[{"message":{"content":"y"}}]}')


def test_what_is_nested_too_deeply_is_refused() -> None:
    [route] = lane_routes(lambda: "req_7")
    with pytest.raises(InvalidRequest):
        route.face.read(Operation.CHAT, b'{"model":' + b"[" * 100_000)
