"""Requests through a gateway, as an OpenTelemetry collector is told of them."""

from pathlib import Path
from typing import Any

import httpx

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.collector import Collector
from tests.fixtures.shared import gateway_before

BODY: dict[str, Any] = {"model": "fake", "messages": [{"role": "user", "content": "Where do llamas live?"}]}


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
