"""What is told to other systems that watch."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from remuda.app.settings.kinds import Seconds, Word
from remuda.app.settings.section import Section


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc or parts.query:
        raise ValueError("a collector's address is http(s)://host[:port][/path]")
    return value


WebAddress = Annotated[Word, AfterValidator(_web_address)]


class TelemetrySettings(Section):
    """What is told to other systems that watch."""

    otlp_endpoint: WebAddress | None = None
    """An OpenTelemetry collector that takes OTLP over HTTP, as `http://localhost:4318`: a span for each request, and metrics. Needs `pip install 'remuda[otel]'`. Default: nothing is told."""  # noqa: E501
    otlp_interval_s: Annotated[Seconds, Field(ge=0.1, le=3600)] = 5
    """How often it is told."""
