"""Budgets that stop requests: what is left of them, in memory.

    left = amount - usage in the store - own costs that are not in it yet - what is reserved for requests under way

A request reserves what it may cost before it is sent, and gives that back when it is over; in the same turn of the
event loop its cost is charged. So requests side by side never use more than was left, but for what they cost beyond
their reservation. What other gateways on the store use is seen when they have written it down and it was read: within
a second.

The journal's own costs are told by the number of the batch that brings them to the store, so each is counted in one
place, however long that takes. What tasks cost is written down together with their end: for that, time has to do.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from math import ceil
from typing import Final

from remuda.core.budget import Budget, Subject, end_of, subjects_of
from remuda.core.clock import Clock
from remuda.core.faults import BudgetExceeded
from remuda.core.moments import iso_time
from remuda.core.record import RequestRecord
from remuda.store.budgets import as_of

UNNUMBERED: Final = 0
"""Stands for the journal's next batch; theirs count from 1."""
TASKS_S: Final = 2.0
"""How long what a task cost may take to the store."""


class _Stop:
    """One such budget."""

    __slots__ = ("budget", "ends_at", "fresh", "held_nano", "recent")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.ends_at = 0.0
        self.held_nano = 0
        """Reserved for requests under way."""
        self.fresh: dict[int, int] = {}
        """Costs that are not in the store yet, by the number of the batch that brings them there."""
        self.recent: deque[tuple[float, int]] = deque()
        """Costs of tasks: when they ended (monotonic), and how much."""

    @property
    def used_nano(self) -> int:
        """What is used or spoken for."""
        recent = sum(nano for _, nano in self.recent)
        return self.budget.usage_nano + self.held_nano + sum(self.fresh.values()) + recent


class HardStops:
    """All of them. All calls on the event loop; none waits."""

    def __init__(self, clock: Clock, zone: tzinfo) -> None:
        """`zone`: where periods begin at midnight."""
        self._clock = clock
        self._zone = zone
        self._stops: dict[int, _Stop] = {}
        self._by_subject: dict[Subject, list[_Stop]] = {}

    def __bool__(self) -> bool:
        """Whether anything may be refused."""
        return bool(self._stops)

    def take(self, budgets: Iterable[Budget], last_batch: int, read_at: float) -> None:
        """Take in how budgets stand in the store, where the journal's batches up to `last_batch` were counted; it was
        read not before `read_at` (monotonic)."""
        stops: dict[int, _Stop] = {}
        self._by_subject = {}
        for budget in budgets:
            terms = budget.terms
            if not (terms.is_hard and terms.is_active):
                continue
            stop = stops[budget.id] = self._stops.get(budget.id) or _Stop(budget)
            self._put(stop, budget)
            for number in [each for each in stop.fresh if UNNUMBERED < each <= last_batch]:
                del stop.fresh[number]
            while stop.recent and stop.recent[0][0] < read_at - TASKS_S:
                stop.recent.popleft()
            self._by_subject.setdefault((terms.scope, terms.subject), []).append(stop)
        self._stops = stops

    def reserve(self, model: str, key_id: str, user_id: str, nano: int) -> Callable[[], None] | None:
        """Set aside what a request may cost; what it returns gives that back, once. None where nothing stops it.

        Raises BudgetExceeded where less is left of a budget.
        """
        stops = self._of(model, key_id, user_id)
        if not stops:
            return None
        now = self._clock.wall()
        for stop in stops:
            if now >= stop.ends_at:
                self._put(stop, as_of(stop.budget, now, self._zone))
            if stop.used_nano + max(nano, 1) > stop.budget.terms.amount_nano:
                raise _exceeded(stop, now)
        for stop in stops:
            stop.held_nano += nano

        def give_back() -> None:
            for stop in stops:
                stop.held_nano -= nano

        return give_back

    def charge(
        self, model: str, key_id: str, user_id: str, nano: int, began_at: float, *, is_task: bool = False
    ) -> None:
        """A request is over that began at `began_at` (wall clock) and cost so much; the store learns of it later."""
        for stop in self._of(model, key_id, user_id):
            if began_at < stop.budget.period_start:
                continue
            if is_task:
                stop.recent.append((self._clock.monotonic(), nano))
            else:
                stop.fresh[UNNUMBERED] = stop.fresh.get(UNNUMBERED, 0) + nano

    def batched(self, number: int, records: Sequence[RequestRecord]) -> None:
        """The journal brings these records to the store under this number."""
        if not self._stops:
            return
        for record in records:
            if not record.cost_nano:
                continue
            for stop in self._of(record.model, record.key_id, record.user_id):
                if record.started_at >= stop.budget.period_start:
                    fresh = stop.fresh
                    fresh[number] = fresh.get(number, 0) + record.cost_nano
                    fresh[UNNUMBERED] = max(0, fresh.get(UNNUMBERED, 0) - record.cost_nano)

    def _put(self, stop: _Stop, budget: Budget) -> None:
        if budget.period_start > stop.budget.period_start:
            stop.fresh.pop(UNNUMBERED, None)
            stop.recent.clear()
        stop.budget = budget
        stop.ends_at = end_of(budget.terms.period, budget.period_start, self._zone)

    def _of(self, model: str, key_id: str, user_id: str) -> list[_Stop]:
        found: list[_Stop] = []
        by_subject = self._by_subject
        for subject in subjects_of(model, key_id, user_id):
            if subject in by_subject:
                found += by_subject[subject]
        return found


def _exceeded(stop: _Stop, now: float) -> BudgetExceeded:
    name, anew = stop.budget.terms.name, iso_time(stop.ends_at)
    return BudgetExceeded(
        f"the budget {name!r} does not cover this request; it begins anew at {anew}",
        retry_after_s=max(1, ceil(stop.ends_at - now)),
    )
