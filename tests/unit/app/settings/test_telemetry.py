"""Where a collector may be."""

import pytest
from pydantic import ValidationError

from remuda.app.settings import TelemetrySettings


@pytest.mark.parametrize("url", ["http://localhost:4318", "https://otlp.example.org/otlp"])
def test_addresses(url: str):
    assert TelemetrySettings(otlp_endpoint=url).otlp_endpoint == url


@pytest.mark.parametrize("url", ["localhost:4318", "grpc://h:4317", "http://", "http://user:secret@h", "http://h?x=1"])
def test_what_is_none(url: str):
    with pytest.raises(ValidationError, match="a collector's address"):
        TelemetrySettings(otlp_endpoint=url)
