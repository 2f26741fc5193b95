"""Time zones as the settings name them."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from remuda.app.settings.insight import InsightSettings, zone_of


def test_time_zones():
    assert zone_of("UTC") is UTC
    assert zone_of("Europe/Berlin") == ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "", "x" * 300, "Europe"])
def test_what_is_none(name):
    with pytest.raises(ValidationError, match="there is no time zone"):
        InsightSettings(time_zone=name)
