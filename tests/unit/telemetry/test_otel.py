"""Spans and metrics as a collector sees them."""

import base64
import contextlib
from collections.abc import AsyncIterator

import pytest

from remuda.core.ids import random_ids
from remuda.telemetry import otel_names as names
from remuda.telemetry.otel import BUFFERED, OtelExport, attributes_of
from remuda.testing.clock import FakeClock
from tests.contract.store.samples import NOON, a_record
from tests.fixtures.collector import Collector

FAILED = a_record(2, status=504, fault="upstream_timeout", is_streamed=False, ttft_s=None, completion_tokens=0)


@contextlib.asynccontextmanager
async def exporting(url: str, clock: FakeClock | None = None) -> AsyncIterator[OtelExport]:
    export = OtelExport(url, "1.2.3", clock or FakeClock(), random_ids(), interval_s=5.0, timeout_s=1.0)
    yield export
    await export.close()


async def test_a_span_for_each_request():
    async with Collector() as collector, exporting(collector.url + "/") as export:
        export.take([a_record(temperature=0.5, max_tokens=9), FAILED])
        await export.export()
        assert (export.sent, export.dropped) == (2, 0)
        well, failed = collector.spans
        assert (well["name"], well["kind"]) == ("chat remuda-tiny", "SPAN_KIND_SERVER")
        assert int(well["startTimeUnixNano"]) == int(NOON) * 10**9
        assert int(well["endTimeUnixNano"]) == int(NOON * 10**9 + 1.5e9)
        assert well["status"] == {}
        assert well["traceId"] != failed["traceId"]
        assert "error.type" not in well["attributes"]
        assert failed["attributes"]["error.type"] == "upstream_timeout"
        assert failed["status"] == {"code": "STATUS_CODE_ERROR", "message": "upstream_timeout"}
        assert collector.resources[0]["service.name"] == "remuda"
        assert collector.resources[0]["service.version"] == "1.2.3"


async def test_a_span_in_the_trace_of_its_client():
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    async with Collector() as collector, exporting(collector.url) as export:
        joined, unsampled = a_record(1), a_record(2)
        told = export.begin(joined.id, joined.started_at, f"00-{trace}-{parent}-01".encode(), b"rojo=1,congo=2")
        export.begin(unsampled.id, unsampled.started_at, f"00-{trace}-{parent}-00".encode(), b"")
        export.take([joined, unsampled])
        await export.export()
        [span] = collector.spans
        ids = [base64.b64decode(span[name]).hex() for name in ("traceId", "spanId", "parentSpanId")]
        assert ids == [trace, told.span_id, parent]
        assert span["traceState"] == "rojo=1,congo=2"
        assert (export.sent, export.dropped) == (1, 0)
        assert sum(int(point["count"]) for point in collector.metrics[names.DURATION]) == 2


def test_what_a_span_says():
    record = a_record(
        temperature=0.5, max_tokens=9, key_id="k", user_id="mia", cost_nano=1_500_000_000, is_truncated=True
    )
    assert dict(attributes_of(record)) == {
        "gen_ai.provider.name": "remuda",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "remuda-tiny",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 34,
        "gen_ai.usage.cache_read.input_tokens": 5,
        "http.response.status_code": 200,
        "remuda.request.id": "req_000000",
        "remuda.dialect": "openai",
        "remuda.replica": "local/remuda-tiny",
        "remuda.key.id": "k",
        "remuda.attempts": 1,
        "remuda.queue_wait": 0.001,
        "remuda.cost": 1.5,
        "remuda.prompt.is_truncated": True,
    }


async def test_metrics():
    async with Collector() as collector, exporting(collector.url) as export:
        export.take([a_record(), a_record(1), FAILED])
        await export.export()
        durations = {point["attributes"].get(names.ERROR): point for point in collector.metrics[names.DURATION]}
        assert (durations[None]["count"], durations[None]["sum"]) == ("2", 3.0)
        assert durations["upstream_timeout"]["count"] == "1"
        assert durations[None]["attributes"] == {
            names.SYSTEM: "remuda",
            names.OPERATION: "chat",
            names.MODEL: "remuda-tiny",
        }
        [ttft] = collector.metrics[names.TTFT]
        assert (ttft["sum"], ttft["explicitBounds"]) == (0.5, list(names.TTFT_S))
        [per_token] = collector.metrics[names.TIME_PER_TOKEN]
        assert per_token["sum"] == pytest.approx(2 * 1.25 / 33)
        tokens = {
            (point["attributes"][names.TOKEN_TYPE], names.ERROR in point["attributes"]): point["sum"]
            for point in collector.metrics[names.TOKENS]
        }
        assert tokens == {("input", False): 24.0, ("output", False): 68.0, ("input", True): 12.0}


async def test_no_metric_is_made_of_a_name_that_a_client_invents():
    async with Collector() as collector, exporting(collector.url) as export:
        export.take([a_record(model=f"m{n}", attempts=0, status=404, fault="model_not_found") for n in range(9)])
        await export.export()
        [point] = collector.metrics[names.DURATION]
        assert names.MODEL not in point["attributes"]
        assert {span["attributes"][names.MODEL] for span in collector.spans} == {f"m{n}" for n in range(9)}


async def test_a_collector_that_takes_nothing():
    async with Collector() as collector, exporting(collector.url) as export:
        collector.status = 400
        export.take([a_record()] * 3)
        await export.export()
        assert (export.sent, export.dropped, collector.spans) == (0, 3, [])


async def test_the_buffer_is_bounded_and_holds_no_text():
    export = OtelExport("http://127.0.0.1:9", "1", FakeClock(), random_ids(), interval_s=5.0)
    export.take([a_record(prompt_text="p", answer_text="a")])
    assert [record for record, _ in export._buffer] == [a_record()]
    export.take([a_record()] * BUFFERED)
    assert (len(export._buffer), export.dropped) == (BUFFERED, 1)


async def test_it_sends_by_itself_and_what_is_left_at_the_end():
    clock = FakeClock()
    async with Collector() as collector:
        async with exporting(collector.url, clock) as export:
            export.start()
            await clock.asleep()
            export.take([a_record()])
            await clock.advance(5.0)
            await collector.got(1)
            export.take([a_record(1)])
        assert len(collector.spans) == 2


async def test_a_collector_that_is_gone_does_not_hold_up_the_end():
    async with Collector() as collector:
        url = collector.url
    async with exporting(url) as export:
        export.take([a_record()])
    assert export.dropped == 1
