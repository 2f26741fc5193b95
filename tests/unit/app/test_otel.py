"""OpenTelemetry, where it is wanted."""

import subprocess
import sys
from types import SimpleNamespace

from remuda.app.otel import Otel
from remuda.app.settings import TelemetrySettings
from remuda.telemetry.metrics import Metrics
from remuda.testing.clock import FakeClock


async def test_by_default_nobody_is_told():
    otel = Otel(TelemetrySettings(), FakeClock(), Metrics("1", with_process=False))
    assert otel.sinks == ()
    gateway = SimpleNamespace(on_open=None)
    otel.join_traces(gateway)
    assert gateway.on_open is None
    otel.start()
    await otel.close()


async def test_where_a_collector_is_named():
    metrics = Metrics("1", with_process=False)
    otel = Otel(TelemetrySettings(otlp_endpoint="http://127.0.0.1:9"), FakeClock(), metrics)
    assert len(otel.sinks) == 1
    assert b"remuda_otel_spans_total 0.0" in metrics.render()


def test_without_the_extra_it_says_what_is_missing():
    program = """
import sys
sys.modules["opentelemetry"] = None
from remuda.app.exits import CommandError
from remuda.app.otel import Otel
from remuda.app.settings import TelemetrySettings
try:
    Otel(TelemetrySettings(otlp_endpoint="http://h"), None, None)
except CommandError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "pip install 'remuda[otel]'" in said
