"""Requests through a gateway, as an OpenTelemetry collector is told of them."""

import base64
from pathlib import Path
from typing import Any

import httpx

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.collector import Collector
from tests.fixtures.shared import gateway_before

BODY: dict[str, Any] = {"model": "fake", "messages": [{"role": "user", "content": "Where do llamas live?"}]}


async def test_spans_join_the_traces_of_clients(upstream: FakeUpstream, tmp_path: Path) -> None:
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    headers = {"traceparent": f"00-{trace}-{parent}-01", "tracestate": "rojo=1, congo=2"}
    async with Collector() as collector:
        telemetry = {"otlp_endpoint": collector.url, "otlp_interval_s": 0.1}
        async with gateway_before(upstream, data_dir=tmp_path, telemetry=telemetry) as gateway:
            async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
                for body in (BODY, BODY | {"stream": True}, BODY | {"model": "nobody"}):
                    await client.post("/v1/chat/completions", json=body, headers=headers)
                await client.post("/v1/chat/completions", json=BODY, headers={"traceparent": f"00-{trace}-{parent}-00"})
                await client.post("/v1/chat/completions", json=BODY, headers={"tracestate": "rojo=1"})
            spans = await collector.got(4)
    *joined, alone = [[_hex(span, name) for name in ("traceId", "parentSpanId", "spanId")] for span in spans]
    assert [span[:2] for span in joined] == [[trace, parent]] * 3
    sent = [seen.header("traceparent") for seen in upstream.seen]
    assert sent[:2] == [f"00-{trace}-{span_id}-01" for _, _, span_id in joined[:2]]
    assert sent[2][:36] == f"00-{trace}-"
    assert sent[2][-3:] == "-00"
    assert alone[1] == ""
    assert [span.get("traceState", "") for span in spans] == ["rojo=1,congo=2"] * 3 + [""]
    assert [seen.header("tracestate") for seen in upstream.seen] == ["rojo=1,congo=2"] * 2 + [None] * 2
    assert sent[3] == f"00-{alone[0]}-{alone[2]}-01"


async def test_spans_and_metrics(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with Collector() as collector:
        telemetry = {"otlp_endpoint": collector.url, "otlp_interval_s": 0.1}
        async with gateway_before(upstream, data_dir=tmp_path, telemetry=telemetry) as gateway:
            async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
                await client.post("/v1/chat/completions", json=BODY, headers={"X-Request-ID": "mine"})
                await client.post("/v1/chat/completions", json=BODY | {"model": "nobody"})
                await client.post("/v1/chat/completions", json=BODY | {"stream": True})
            spans = {span["attributes"]["remuda.request.id"]: span for span in await collector.got(3)}
        assert spans["mine"]["name"] == "chat fake"
        assert spans["mine"]["attributes"]["gen_ai.usage.output_tokens"] > 0
        assert sum("error.type" in span["attributes"] for span in spans.values()) == 1
        assert "llamas" not in str(collector.spans)
        assert {"gen_ai.server.request.duration", "gen_ai.client.token.usage"} <= set(collector.metrics)


def _hex(span: dict[str, Any], name: str) -> str:
    return base64.b64decode(span.get(name, "")).hex()
