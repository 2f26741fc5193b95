"""OpenTelemetry, where the settings name a collector."""

from collections.abc import Callable
from functools import partial
from typing import Final

from remuda import __version__
from remuda.app.exits import CommandError, Exit
from remuda.app.settings import TelemetrySettings
from remuda.core.clock import Clock
from remuda.core.ids import random_ids
from remuda.gateway.exchange import Exchange
from remuda.gateway.gateway import Gateway
from remuda.gateway.record import Sink
from remuda.telemetry import catalogue
from remuda.telemetry.metrics import Metrics
from remuda.telemetry.traces import Place

TRACEPARENT: Final = b"traceparent"
TRACESTATE: Final = b"tracestate"


class Otel:
    """Tells a collector of requests; without one, nobody."""

    def __init__(self, settings: TelemetrySettings, clock: Clock, metrics: Metrics) -> None:
        """Raises CommandError where what it takes is not installed."""
        self._export = None
        if settings.otlp_endpoint is None:
            return
        try:
            # Only imported where it is wanted: it need not be installed.
            from remuda.telemetry.otel import OtelExport
        except ImportError as error:
            raise CommandError(
                f"telemetry.otlp_endpoint needs {error.name}: pip install 'remuda[otel]'", Exit.CONFIGURATION
            ) from error
        export = OtelExport(
            settings.otlp_endpoint, __version__, clock, random_ids(), interval_s=settings.otlp_interval_s
        )
        metrics.attach(catalogue.OTEL_SPANS, lambda: [((), export.sent)])
        metrics.attach(catalogue.OTEL_DROPPED, lambda: [((), export.dropped)])
        self._export = export

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """What takes finished records."""
        return () if self._export is None else (self._export.take,)

    def join_traces(self, gateway: Gateway) -> None:
        """Requests of clients get spans in the traces that these name, and whoever they are sent to is told of that
        span in place of the client's."""
        if self._export is not None:
            gateway.on_open = partial(_join, self._export.begin)

    def start(self) -> None:
        """Begin to tell."""
        if self._export is not None:
            self._export.start()

    async def close(self) -> None:
        """Tell what is there, and stop."""
        if self._export is not None:
            await self._export.close()


def _join(begin: Callable[[str, float, bytes | None, bytes], Place], exchange: Exchange) -> None:
    fields = exchange.fields
    place = begin(exchange.id, exchange.started_wall, fields.get(TRACEPARENT), fields.get(TRACESTATE, b""))
    exchange.fields = {**fields, TRACEPARENT: place.traceparent, TRACESTATE: place.state}
