"""What heads say of answers that are passed on."""

from typing import Any, cast

from remuda.engines.llamacpp.tool_choice import CallsAlone
from remuda.engines.protocol import Outgoing
from remuda.gateway.passing import head_of, overhead, translator_of
from tests.unit.gateway.test_exchange import begun


class Words:
    content_type = b"text/x"

    def __init__(self, id_header: bytes) -> None:
        self.id_header = id_header


def test_heads() -> None:
    exchange, _ = begun()
    assert head_of(cast(Any, Words(b"")), exchange) == b"content-type: text/x\r\n"
    assert head_of(cast(Any, Words(b"request-id")), exchange) == b"content-type: text/x\r\nrequest-id: req_1\r\n"
    exchange.started, exchange.upstream_s = 1.0, 2.0
    assert overhead(exchange, 3.5) == b"x-remuda-overhead-ms: 500.00\r\n"


def test_a_stream_goes_through_what_its_engine_needs() -> None:
    exchange, _ = begun()
    assert translator_of(exchange) is None
    exchange.outgoing = Outgoing("/x", b"", True)
    assert translator_of(exchange) is None
    exchange.outgoing = Outgoing("/x", b"", True, translate=CallsAlone)
    assert isinstance(translator_of(exchange), CallsAlone)
