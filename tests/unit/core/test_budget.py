"""Periods of the calendar, wherever the clocks are changed."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remuda.core.budget import Period, end_of, reached, start_of

ZONES = [UTC, *map(ZoneInfo, ("Europe/Berlin", "America/New_York", "Africa/Cairo", "Asia/Kathmandu", "Pacific/Apia"))]
MOMENTS = st.floats(datetime(2013, 1, 1, tzinfo=UTC).timestamp(), datetime(2037, 1, 1, tzinfo=UTC).timestamp())


def at(*parts: int, zone: str = "UTC") -> float:
    return datetime(*parts, tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        (Period.DAILY, (2025, 1, 17), (2025, 1, 18)),
        (Period.WEEKLY, (2025, 1, 13), (2025, 1, 20)),
        (Period.MONTHLY, (2025, 1, 1), (2025, 2, 1)),
    ],
)
def test_the_documents_day(period, start, end):
    moment = at(2025, 1, 17, 10)
    assert (start_of(period, moment, UTC), end_of(period, moment, UTC)) == (at(*start), at(*end))


@given(st.sampled_from(Period), MOMENTS, st.sampled_from(ZONES))
@example(Period.DAILY, 2114380799.9999998, UTC)
def test_each_moment_lies_in_one_period(period, moment, zone):
    start, end = start_of(period, moment, zone), end_of(period, moment, zone)
    assert start <= moment < end
    assert start_of(period, start, zone) == start
    assert end_of(period, start, zone) == end
    assert start_of(period, end, zone) == end
    assert datetime.fromtimestamp(end, zone).hour in (0, 1)


def test_days_on_which_the_clocks_are_changed():
    day = 86_400
    spring = at(2025, 3, 30, 12, zone="Europe/Berlin")
    autumn = at(2025, 10, 26, 12, zone="Europe/Berlin")
    berlin = ZoneInfo("Europe/Berlin")
    assert end_of(Period.DAILY, spring, berlin) - start_of(Period.DAILY, spring, berlin) == day - 3600
    assert end_of(Period.DAILY, autumn, berlin) - start_of(Period.DAILY, autumn, berlin) == day + 3600
    # In Cairo the clocks go from midnight to one.
    cairo = at(2025, 4, 25, 12, zone="Africa/Cairo")
    assert start_of(Period.DAILY, cairo, ZoneInfo("Africa/Cairo")) == at(2025, 4, 24, 22)


@pytest.mark.parametrize(
    ("usage", "percent"), [(0, 0), (69, 0), (70, 70), (89, 70), (90, 90), (99, 90), (100, 100), (900, 100)]
)
def test_what_is_reached(usage, percent):
    assert reached(usage, 100) == percent
