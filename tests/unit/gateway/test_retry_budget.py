"""Retries are a share of the requests of the last ten seconds, and of those under way."""

from typing import Any

import pytest

from remuda.core.record import RequestRecord
from remuda.gateway.retry_budget import FLOOR, WINDOW_S, RetryBudget


def records(n: int, attempts: int = 1) -> list[RequestRecord]:
    blank: list[Any] = [0] * len(RequestRecord._fields)
    return [RequestRecord(*blank)._replace(attempts=attempts) for _ in range(n)]


class Counted:
    """A budget, and what can be taken from it."""

    def __init__(self, percent: int) -> None:
        self.now = 0.0
        self.budget = RetryBudget(percent, lambda: self.now)

    def taken(self, live: int = 0) -> int:
        n = 0
        while self.budget.take(live):
            n += 1
        return n


@pytest.mark.parametrize(
    ("percent", "ended", "live", "allowed"),
    [
        (20, 0, 0, FLOOR),
        (20, 100, 0, FLOOR + 20),
        (20, 100, 50, FLOOR + 30),
        (0, 1000, 0, FLOOR),
        (100, 7, 0, FLOOR + 7),
    ],
)
def test_the_share(percent: int, ended: int, live: int, allowed: int):
    counted = Counted(percent)
    counted.budget.note(records(ended))
    assert counted.taken(live) == allowed
    assert (counted.budget.taken, counted.budget.refused) == (allowed, 1)


def test_requests_that_were_refused_earn_nothing():
    counted = Counted(100)
    counted.budget.note(records(500, attempts=0))
    assert counted.taken() == FLOOR


def test_both_sides_are_forgotten_after_the_window():
    counted = Counted(100)
    counted.budget.note(records(30))
    counted.now = 5
    assert counted.taken() == FLOOR + 30
    counted.now = WINDOW_S
    assert counted.taken() == 0  # the requests are too old now, the retries are not
    counted.now = WINDOW_S + 5
    assert counted.taken() == FLOOR


def test_its_memory_is_bounded():
    counted = Counted(20)
    for second in range(1000):
        counted.now = float(second)
        counted.budget.note(records(1))
    assert len(counted.budget._seconds) == WINDOW_S
