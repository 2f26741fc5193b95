"""When a key expires."""

import pytest

from remuda.app.expiry import parse_expiry

NOW = 1_795_217_683.0  # 2026-11-20T23:34:43Z


@pytest.mark.parametrize(
    ("text", "after_s"),
    [
        ("45m", 2700),
        ("12h", 43_200),
        ("30d", 2_592_000),
        ("2w", 1_209_600),
        ("2026-11-21", 1517),
        ("2026-11-20T23:34:44Z", 1),
        ("2026-11-21T00:34:44+01:00", 1),
        ("2026-11-20T23:34:44", 1),
    ],
)
def test_times(text: str, after_s: float) -> None:
    assert parse_expiry(text, NOW) == NOW + after_s


@pytest.mark.parametrize("text", ["", "soon", "30", "30y", "-1d", "1.5h", "2026-13-01", "9999999d"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        parse_expiry(text, NOW)


@pytest.mark.parametrize("text", ["0d", "2026-11-20", "1999-01-01T00:00:00Z"])
def test_what_has_passed(text: str) -> None:
    with pytest.raises(ValueError, match="has passed already"):
        parse_expiry(text, NOW)
