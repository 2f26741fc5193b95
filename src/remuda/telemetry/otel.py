"""Spans and metrics for OpenTelemetry, made of finished records and sent by OTLP. Needs the extra `otel`.

Requests only put their records into a bounded buffer. Every few seconds a thread makes spans and measurements of them
and hands them to the library's exporters; what a collector does not take, after their own tries, is let go of.
"""

import asyncio
import logging
import math
from collections.abc import Iterator, Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from remuda.core.clock import Clock
from remuda.core.ids import Ids
from remuda.core.record import RequestRecord, without_text
from remuda.core.score import has_failed
from remuda.core.tasks import Tasks
from remuda.core.threads import in_thread
from remuda.telemetry import otel_names as names
from remuda.telemetry.traces import Place, Places

log = logging.getLogger(__name__)

BUFFERED: Final = 16_384
"""Records that wait to be sent; more are not sent, and counted."""
AT_ONCE: Final = 512
"""Spans in one message to the collector, as the library's own batches."""

Told = tuple[RequestRecord, Place]

CLOSE_S: Final = 2.0
"""How long a collector that does not answer holds up the end."""

_NS: Final = 1_000_000_000
_NANO: Final = 1_000_000_000
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


class OtelExport:
    """Sends for as long as it runs."""

    def __init__(
        self, endpoint: str, version: str, clock: Clock, ids: Ids, *, interval_s: float, timeout_s: float = 10.0
    ) -> None:
        """`endpoint`: the collector's base URL; `ids` gives random ones of at least 32 hex digits. The library's own
        environment variables add headers, certificates and attributes (`OTEL_EXPORTER_OTLP_HEADERS` ...)."""
        self._clock = clock
        self._places = Places(ids)
        self._interval_s = interval_s
        self._tasks = Tasks("otel")
        self._buffer: list[Told] = []
        self._resource = Resource.create({"service.name": names.REMUDA, "service.version": version})
        self._scope = InstrumentationScope(names.REMUDA, version)
        base = endpoint.rstrip("/")
        self._exporter = OTLPSpanExporter(f"{base}/v1/traces", timeout=timeout_s)
        # Without a pace of its own: what is measured is sent when the spans are.
        self._reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(f"{base}/v1/metrics", timeout=timeout_s), export_interval_millis=math.inf
        )
        self._timeout_s = timeout_s
        meters = MeterProvider([self._reader], self._resource, shutdown_on_exit=False)
        meter = meters.get_meter(names.REMUDA, version)
        seconds = ("s", "Seconds, of requests by clients.")
        self._duration = meter.create_histogram(
            names.DURATION, *seconds, explicit_bucket_boundaries_advisory=names.DURATION_S
        )
        self._ttft = meter.create_histogram(names.TTFT, *seconds, explicit_bucket_boundaries_advisory=names.TTFT_S)
        self._per_token = meter.create_histogram(
            names.TIME_PER_TOKEN, *seconds, explicit_bucket_boundaries_advisory=names.PER_TOKEN_S
        )
        self._tokens = meter.create_histogram(
            names.TOKENS,
            "{token}",
            "Tokens of prompts and answers.",
            explicit_bucket_boundaries_advisory=names.TOKEN_COUNTS,
        )
        self._has_given_up = False
        self.sent = 0
        """Spans that a collector took."""
        self.dropped = 0
        """Records of which no collector was told."""

    def begin(self, request_id: str, started_at: float, traceparent: bytes | None, state: bytes) -> Place:
        """A request begins, in the trace that its client names; the place of its span."""
        return self._places.begin(request_id, started_at, traceparent, state)

    def take(self, records: Sequence[RequestRecord]) -> None:
        """A sink of finished records."""
        # Captured text must not live on here, and is told to nobody.
        told = [(without_text(record), self._places.end(record.id, record.started_at)) for record in records]
        room = BUFFERED - len(self._buffer)
        self.dropped += max(0, len(told) - room)
        self._buffer += told[:room]

    def start(self) -> None:
        """Begin to send."""
        self._tasks.start(self._run(), "export")

    async def close(self) -> None:
        """Send what is there, and stop: soon, whatever the collector does."""
        hurry = asyncio.get_running_loop().call_later(CLOSE_S, self._give_up)
        await self._tasks.close()
        await self.export()
        hurry.cancel()
        self._give_up()

    async def export(self) -> None:
        """Send what has come."""
        told, self._buffer = self._buffer, []
        sent, unsent = await in_thread(self._send, told)
        self.sent += sent
        self.dropped += unsent

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._interval_s)
            await self.export()

    def _send(self, told: Sequence[Told]) -> tuple[int, int]:
        """How many spans a collector took, and how many it did not."""
        sent = 0
        for record, _ in told:
            self._measure(record)
        # Whoever began a trace has decided whether it is one of those that are looked at.
        sampled = [each for each in told if each[1].is_sampled]
        for start in range(0, len(sampled), AT_ONCE):
            part = sampled[start : start + AT_ONCE]
            if self._exporter.export([self._span(*each) for each in part]) is SpanExportResult.SUCCESS:
                sent += len(part)
        self._reader.force_flush(self._timeout_s * 1000)
        return sent, len(sampled) - sent

    def _give_up(self) -> None:
        if not self._has_given_up:
            self._has_given_up = True
            self._exporter.shutdown()  # type: ignore[no-untyped-call]
            self._reader.shutdown()

    def _measure(self, record: RequestRecord) -> None:
        about = dict(_of_both(record))
        if record.fault:
            about[names.ERROR] = record.fault
        self._duration.record(record.duration_s, about)
        if record.is_streamed and record.ttft_s is not None:
            self._ttft.record(record.ttft_s, about)
            if record.completion_tokens > 1 and not record.fault:
                self._per_token.record((record.duration_s - record.ttft_s) / (record.completion_tokens - 1), about)
        if record.prompt_tokens:
            self._tokens.record(record.prompt_tokens, about | {names.TOKEN_TYPE: names.INPUT})
        if record.completion_tokens:
            self._tokens.record(record.completion_tokens, about | {names.TOKEN_TYPE: names.OUTPUT})

    def _span(self, record: RequestRecord, place: Place) -> ReadableSpan:
        began = int(record.started_at * _NS)
        operation = names.OPERATIONS.get(record.operation, record.operation)
        trace_id = int(place.trace_id, 16)
        state = TraceState.from_header([place.state.decode()])
        parent = SpanContext(trace_id, int(place.parent_id, 16), True, _SAMPLED, state) if place.parent_id else None
        return ReadableSpan(
            f"{operation} {record.model}".strip() or names.REMUDA,
            SpanContext(trace_id, int(place.span_id, 16), False, _SAMPLED, state),
            parent,
            resource=self._resource,
            attributes=dict(attributes_of(record)),
            kind=SpanKind.SERVER,
            status=Status(StatusCode.ERROR, record.fault) if has_failed(record) else Status(StatusCode.UNSET),
            start_time=began,
            end_time=began + int(record.duration_s * _NS),
            instrumentation_scope=self._scope,
        )


def attributes_of(record: RequestRecord) -> Iterator[tuple[str, str | bool | int | float | Sequence[str]]]:
    """What a span says of a request: never its text, nor for whom it was."""
    yield from _of_both(record)
    if record.model:
        yield names.MODEL, record.model
    yield names.REQUEST_ID, record.id
    yield names.DIALECT, record.dialect
    yield names.STATUS, record.status
    yield names.STREAM, record.is_streamed
    yield names.ATTEMPTS, record.attempts
    yield names.QUEUE_WAIT, record.queue_wait_s
    yield names.INPUT_TOKENS, record.prompt_tokens
    yield names.OUTPUT_TOKENS, record.completion_tokens
    if record.cached_tokens:
        yield names.CACHED_TOKENS, record.cached_tokens
    if record.temperature is not None:
        yield names.TEMPERATURE, record.temperature
    if record.max_tokens is not None:
        yield names.MAX_TOKENS, record.max_tokens
    if record.ttft_s is not None:
        yield names.TIME_TO_FIRST_CHUNK, record.ttft_s
    if record.finish_reason:
        yield names.FINISH_REASONS, (record.finish_reason,)
    if has_failed(record):
        yield names.ERROR, record.fault or str(record.status)
    if record.replica:
        yield names.REPLICA, record.replica
    if record.key_id:
        yield names.KEY_ID, record.key_id
    if record.cost_nano:
        yield names.COST, record.cost_nano / _NANO
    if record.is_truncated:
        yield names.IS_TRUNCATED, True


def _of_both(record: RequestRecord) -> Iterator[tuple[str, str]]:
    yield names.SYSTEM, names.REMUDA
    if record.operation:
        yield names.OPERATION, names.OPERATIONS.get(record.operation, record.operation)
    # A name that nobody served may be anything that a client invents: no metric may be made of it.
    if record.model and record.attempts:
        yield names.MODEL, record.model
