"""What is left of budgets: however requests, batches and readings follow one another."""

from datetime import UTC

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from remuda.core.budget import Budget, BudgetTerms, Period, Scope, end_of, start_of
from remuda.core.faults import BudgetExceeded
from remuda.core.record import RequestRecord
from remuda.insight.hard_stops import TASKS_S, HardStops
from remuda.testing.clock import FakeClock
from tests.contract.store.samples import a_record

ASK = ("m", "k", "u")


def a_budget(clock: FakeClock, amount: int = 100, usage: int = 0, **terms) -> Budget:
    made = BudgetTerms("b", **{"period": Period.DAILY, "amount_nano": amount, "is_hard": True, **terms})
    return Budget(1, made, usage, start_of(made.period, clock.wall(), UTC), None, 0, clock.wall())


def stops_of(clock: FakeClock, *budgets: Budget) -> HardStops:
    stops = HardStops(clock, UTC)
    stops.take(budgets, -1, clock.monotonic())
    return stops


def charged(clock: FakeClock, cost: int) -> RequestRecord:
    return a_record(started_at=clock.wall(), model="m", key_id="k", user_id="u", cost_nano=cost)


def test_what_does_not_stop_holds_nothing():
    clock = FakeClock()
    for budget in (a_budget(clock, is_hard=False), a_budget(clock, is_active=False)):
        stops = stops_of(clock, budget)
        assert not stops
        assert stops.reserve(*ASK, 10**9) is None


@pytest.mark.parametrize(
    ("scope", "subject", "is_meant"),
    [
        (Scope.ALL, "", True),
        (Scope.MODEL, "m", True),
        (Scope.MODEL, "n", False),
        (Scope.KEY, "k", True),
        (Scope.KEY, "l", False),
        (Scope.USER, "u", True),
        (Scope.USER, "", False),
    ],
)
def test_whose_requests_it_stops(scope, subject, is_meant):
    clock = FakeClock()
    stops = stops_of(clock, a_budget(clock, usage=100, scope=scope, subject=subject))
    assert stops
    if is_meant:
        with pytest.raises(BudgetExceeded):
            stops.reserve("m:latest", "k", "u", 0)
    else:
        assert stops.reserve("m:latest", "k", "u", 0) is None


def test_requests_side_by_side_share_what_is_left():
    clock = FakeClock()
    stops = stops_of(clock, a_budget(clock, usage=40))
    first, second = stops.reserve(*ASK, 30), stops.reserve(*ASK, 30)
    with pytest.raises(BudgetExceeded) as refused:
        stops.reserve(*ASK, 1)
    ends = end_of(Period.DAILY, clock.wall(), UTC)
    assert refused.value.retry_after_s == ends - clock.wall()
    assert "'b'" in refused.value.message
    assert first is not None
    assert second is not None
    first()
    stops.charge(*ASK, 10, clock.wall())
    assert stops.reserve(*ASK, 20) is not None
    with pytest.raises(BudgetExceeded):
        stops.reserve(*ASK, 1)


def test_what_costs_nothing_beforehand_needs_something_left():
    clock = FakeClock()
    stops = stops_of(clock, a_budget(clock, usage=99))
    assert stops.reserve(*ASK, 0) is not None
    stops.charge(*ASK, 1, clock.wall())
    with pytest.raises(BudgetExceeded):
        stops.reserve(*ASK, 0)


async def test_a_new_period_needs_no_reading():
    clock = FakeClock()
    stops = stops_of(clock, a_budget(clock, usage=100))
    await clock.advance(end_of(Period.DAILY, clock.wall(), UTC) - clock.wall())
    assert stops.reserve(*ASK, 100) is not None
    stops.charge(*ASK, 100, clock.wall() - 1)  # it began in the period before
    with pytest.raises(BudgetExceeded):
        stops.reserve(*ASK, 1)


async def test_what_tasks_cost_is_counted_until_it_is_sure_to_be_in_the_store():
    clock = FakeClock()
    budget = a_budget(clock)
    stops = stops_of(clock, budget)
    stops.charge(*ASK, 100, clock.wall(), is_task=True)
    stops.take([budget], -1, clock.monotonic())
    with pytest.raises(BudgetExceeded):
        stops.reserve(*ASK, 1)
    await clock.advance(TASKS_S + 0.1)
    stops.take([budget], -1, clock.monotonic())
    assert stops.reserve(*ASK, 1) is not None


class Spending(RuleBasedStateMachine):
    """A journal that brings costs to the store now and then, and readings of the store that come whenever they come."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.budget = a_budget(self.clock, amount=1000)
        self.stops = stops_of(self.clock, self.budget)
        self.held: list[tuple[int, object]] = []
        self.buffer: list[int] = []
        self.batches: list[tuple[int, int]] = []
        self.number = 0
        self.committed = -1
        self.spent = self.in_store = 0

    @property
    def reserved(self) -> int:
        return sum(nano for nano, _ in self.held)

    @rule(nano=st.integers(0, 400))
    def begin(self, nano: int) -> None:
        """A request is admitted exactly where it is covered by what is left."""
        is_covered = self.spent + self.reserved + max(nano, 1) <= 1000
        try:
            give_back = self.stops.reserve(*ASK, nano)
        except BudgetExceeded:
            assert not is_covered
        else:
            assert is_covered
            self.held.append((nano, give_back))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """It costs at most what was set aside for it."""
        nano, give_back = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        cost = data.draw(st.integers(0, nano))
        give_back()  # type: ignore[operator]
        self.stops.charge(*ASK, cost, self.clock.wall())
        self.spent += cost
        self.buffer.append(cost)

    @precondition(lambda self: self.buffer)
    @rule()
    def take_batch(self) -> None:
        self.number += 1
        self.stops.batched(self.number, [charged(self.clock, cost) for cost in self.buffer])
        self.batches.append((self.number, sum(self.buffer)))
        self.buffer = []

    @precondition(lambda self: self.batches)
    @rule()
    def commit(self) -> None:
        self.committed, cost = self.batches.pop(0)
        self.in_store += cost

    @rule()
    def read(self) -> None:
        standing = a_budget(self.clock, amount=1000, usage=self.in_store)
        self.stops.take([standing], self.committed, self.clock.monotonic())

    @invariant()
    def nothing_is_overspent(self) -> None:
        assert self.spent + self.reserved <= 1000


Spending.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSpending = Spending.TestCase
