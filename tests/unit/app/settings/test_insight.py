"""What is kept of requests, and time zones, as settings say it."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from remuda.app.settings import JournalSettings
from remuda.app.settings.insight import MAX_PATTERN_CHARS, InsightSettings, zone_of


def test_by_default_only_the_proxy_keeps_text() -> None:
    made = JournalSettings()
    assert (made.content, made.proxy_content, dict(made.content_by_key), made.redact) == ("off", "cut", {}, ())


def test_keys_of_their_own() -> None:
    assert JournalSettings(content_by_key={"key_1": "off"}).content_by_key == {"key_1": "off"}
    with pytest.raises(ValidationError):
        JournalSettings(content_by_key={"key_1": "some"})


def test_patterns() -> None:
    assert JournalSettings(redact=(r"\d{4}", "(?i)secret")).redact == (r"\d{4}", "(?i)secret")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "is no regular expression"),
        ("", "has 1 to"),
        ("a" * (MAX_PATTERN_CHARS + 1), "has 1 to"),
        ("a*", "matches everywhere"),
    ],
)
def test_no_patterns(pattern: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        JournalSettings(redact=(pattern,))
    with pytest.raises(ValidationError):
        JournalSettings(redact=("a",) * 65)


def test_time_zones():
    assert zone_of("UTC") is UTC
    assert zone_of("Europe/Berlin") == ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "", "x" * 300, "Europe"])
def test_what_is_none(name):
    with pytest.raises(ValidationError, match="there is no time zone"):
        InsightSettings(time_zone=name)
