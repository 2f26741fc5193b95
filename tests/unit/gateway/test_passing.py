"""What heads say of answers that are passed on."""

from typing import Any, cast

from remuda.core.ask import Operation
from remuda.core.usage import Usage
from remuda.dialects.anthropic.face import AnthropicFace
from remuda.engines.llamacpp.tool_choice import CallsAlone
from remuda.engines.protocol import Outgoing
from remuda.gateway.face import LaneRoute
from remuda.gateway.fit import Fit
from remuda.gateway.passing import TRUNCATED, head_of, own_id, told, translator_of
from tests.unit.gateway.test_exchange import begun


class Words:
    content_type = b"text/x"


def test_heads() -> None:
    exchange, _ = begun()
    assert head_of(cast(Any, Words()), exchange) == b"content-type: text/x\r\n"
    exchange.route = LaneRoute("/v1/messages", AnthropicFace(lambda: "req_7"), Operation.CHAT)
    assert own_id(exchange) == b"request-id: req_1\r\n"
    assert head_of(cast(Any, Words()), exchange) == b"content-type: text/x\r\nrequest-id: req_1\r\n"
    exchange.started, exchange.upstream_s = 1.0, 2.0
    assert told(exchange, 3.5) == b"x-remuda-overhead-ms: 500.00\r\n"


def test_a_stream_goes_through_what_its_engine_needs() -> None:
    exchange, _ = begun()
    assert translator_of(exchange) is None
    exchange.outgoing = Outgoing("/x", b"", True)
    assert translator_of(exchange) is None
    exchange.outgoing = Outgoing("/x", b"", True, translate=CallsAlone)
    assert isinstance(translator_of(exchange), CallsAlone)


def test_a_head_says_that_the_prompt_was_cut() -> None:
    exchange, _ = begun()
    exchange.fit = Fit(100, 10, True)
    assert told(exchange, 0.0).endswith(b"x-remuda-truncated: true\r\n")
    exchange.usage = Usage(95)
    assert TRUNCATED not in told(exchange, 0.0)
