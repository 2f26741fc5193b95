"""Moments in writing."""

from remuda.core.moments import iso_time


def test_a_moment_in_utc() -> None:
    assert iso_time(1_700_000_000.9) == "2023-11-14T22:13:20Z"
