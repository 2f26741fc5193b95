"""Energy adds up, whoever works beside whom; and costs what it costs at that hour."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.energy import EnergyShares, Tariff, TariffHours

STEPS = st.lists(
    st.tuples(st.floats(0, 100), st.sampled_from(["begin", "end", "draws"]), st.floats(0, 500)), max_size=60
)


@given(STEPS)
def test_all_that_was_drawn_is_somebodys_or_nobodys(steps):
    now = watts = drawn = given_j = 0.0
    shares = EnergyShares(now)
    marks: list[float] = []
    for passed, what, power in steps:
        now += passed
        drawn += watts * passed
        if what == "begin":
            marks.append(shares.begin(now))
        elif what == "end" and marks:
            given_j += shares.end(marks.pop(0), now)
        elif what == "draws":
            shares.draws(power, now)
            watts = power
    for mark in marks:
        given_j += shares.end(mark, now)
    shares.draws(0.0, now)
    assert shares.active == 0
    assert given_j + shares.idle_j == pytest.approx(drawn, rel=1e-9, abs=1e-6)


def test_two_side_by_side_share_and_one_alone_bears_all():
    shares = EnergyShares(0.0)
    shares.draws(100.0, 0.0)
    first = shares.begin(10.0)
    second = shares.begin(20.0)
    assert shares.end(first, 30.0) == 1000 + 500
    assert shares.end(second, 40.0) == 500 + 1000
    assert shares.idle_j == 1000


def test_a_clock_that_stands_still_or_goes_back_takes_nothing_away():
    shares = EnergyShares(10.0)
    shares.draws(100.0, 10.0)
    mark = shares.begin(5.0)
    assert shares.end(mark, 5.0) == 0


BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = TariffHours(time(22), time(6), 200_000_000)
NOON = TariffHours(time(12), time(13), 0)


@pytest.mark.parametrize(
    ("hour", "minute", "nano"),
    [(21, 59, 3), (22, 0, 2), (0, 0, 2), (5, 59, 2), (6, 0, 3), (12, 0, 0), (12, 59, 0), (13, 0, 3)],
)
def test_the_hours_of_the_day(hour, minute, nano):
    tariff = Tariff(300_000_000, [NIGHT, NOON], BERLIN)
    moment = datetime(2025, 7, 17, hour, minute, tzinfo=BERLIN).timestamp()
    assert tariff.cost_nano(3.6e6, moment) == nano * 100_000_000


def test_one_price():
    tariff = Tariff(300_000_000, [], UTC)
    assert tariff.cost_nano(3.6e6, 0.0) == 300_000_000
    assert tariff.cost_nano(-1.0, 0.0) == 0
    assert tariff.cost_nano(1.0, 0.0) == 83
