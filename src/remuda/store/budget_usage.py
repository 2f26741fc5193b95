"""What is used of budgets: written in the transaction that adds to the journal, so that each request counts once.

The usage of a budget is, at any moment, the sum of what the journal's requests cost that belong to it and began since
its period did. Whoever changes a budget, or adds to the journal, holds the journal's lock meanwhile: see
`lock_journal`.
"""

from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from remuda.core.budget import (
    PERCENTS,
    Budget,
    BudgetTerms,
    Period,
    Scope,
    Subject,
    reached,
    start_of,
    subjects_of,
)
from remuda.core.model_names import twin_of
from remuda.core.money import MAX_NANO, NANO
from remuda.core.record import RequestRecord
from remuda.store.leases import store_now
from remuda.store.schema import counters, journal
from remuda.store.schema_costs import budget_events, budgets

MAX_EVENTS: Final = 1000
"""Of a daily budget those of most of a year."""

_ALL: Final = select(budgets)
_LOCK: Final = select(counters.c.value).where(counters.c.name == "journal").with_for_update()
_NOTE: Final = (
    update(budgets)
    .where(budgets.c.id == bindparam("wanted"))
    .values({name: bindparam(name) for name in ("usage_nano", "period_start", "reset_at", "told")})
)

Costs = tuple[float, int]
"""When a request began, and what it cost."""


class Accrual:
    """A hook of the journal's ledger: adds what requests cost to the budgets that they belong to."""

    def __init__(self, zone: tzinfo, wall: Callable[[], float], *, max_events: int = MAX_EVENTS) -> None:
        """`zone`: where periods begin at midnight; the same for all processes on one store. `max_events`: how many are
        kept of each budget, the newest."""
        self._zone = zone
        self._max_events = max_events
        self._wall = wall

    def __call__(
        self, connection: Connection, records: Sequence[RequestRecord], scores: Sequence[float], first_id: int
    ) -> None:
        """Satisfies `remuda.store.ledger.Hook`."""
        costing = [record for record in records if record.cost_nano > 0]
        if not costing:
            return
        rows = connection.execute(_ALL).all()
        if not rows:
            return
        now = store_now(connection, self._wall())
        spent = _Spent(costing)
        for row in rows:
            budget = budget_from(row)
            start = start_of(budget.terms.period, now, self._zone)
            if start > budget.period_start:
                usage = usage_since(connection, budget.terms, start)
                note_usage(connection, budget, usage, now, period_start=start, max_events=self._max_events)
            elif added := spent.on(budget):
                note_usage(connection, budget, budget.usage_nano + added, now, max_events=self._max_events)


class _Spent:
    """What requests cost, by whom and what for."""

    def __init__(self, records: Sequence[RequestRecord]) -> None:
        self._costs: dict[Scope, dict[str, list[Costs]]] = {scope: {} for scope in Scope}
        self._earliest = min(record.started_at for record in records)
        self._sums: dict[Subject, int] = {}
        for record in records:
            cost = record.started_at, record.cost_nano
            for scope, subject in subjects_of(record.model, record.key_id, record.user_id):
                self._costs[scope].setdefault(subject, []).append(cost)

    def on(self, budget: Budget) -> int:
        """How much of it belongs to `budget`, in its period."""
        terms = budget.terms
        costs = self._costs[terms.scope].get(terms.subject, ())
        if self._earliest < budget.period_start:
            return sum(cost for began, cost in costs if began >= budget.period_start)
        whole = terms.scope, terms.subject
        if whole not in self._sums:
            self._sums[whole] = sum(cost for _, cost in costs)
        return self._sums[whole]


def lock_journal(connection: Connection) -> None:
    """Until the end of the transaction nobody else adds to the journal, or changes what is used of budgets."""
    connection.execute(_LOCK)


def usage_since(connection: Connection, terms: BudgetTerms, start: float) -> int:
    """What requests cost that began since `start` and belong to a budget of these terms, as the journal has them."""
    # In two parts: SQLite refuses a sum beyond 64 bits.
    units, rest = func.sum(journal.c.cost_nano // NANO), func.sum(journal.c.cost_nano % NANO)
    summing = select(units, rest).where(journal.c.started_at >= start)
    if terms.scope is Scope.MODEL:
        summing = summing.where(journal.c.model.in_((terms.subject, twin_of(terms.subject))))
    elif terms.scope is Scope.KEY:
        summing = summing.where(journal.c.key_id == terms.subject)
    elif terms.scope is Scope.USER:
        summing = summing.where(journal.c.user_id == terms.subject)
    whole, part = connection.execute(summing).one()
    return min(int(whole or 0) * NANO + int(part or 0), MAX_NANO)


def note_usage(
    connection: Connection,
    budget: Budget,
    usage_nano: int,
    now: float,
    *,
    period_start: float | None = None,
    max_events: int = MAX_EVENTS,
) -> None:
    """So much of `budget` is used now, perhaps of a new period; keeps an event of each percentage that is reached."""
    usage_nano = min(usage_nano, MAX_NANO)
    start = budget.period_start if period_start is None else period_start
    told = budget.told if period_start is None else 0
    percent = reached(usage_nano, budget.terms.amount_nano)
    if budget.terms.is_active and percent > told:
        _keep_events(connection, budget, [each for each in PERCENTS if told < each <= percent], usage_nano, start, now)
        _forget_events(connection, budget.id, max_events)
        told = percent
    noted = {
        "wanted": budget.id,
        "usage_nano": usage_nano,
        "period_start": start,
        "reset_at": budget.reset_at if period_start is None else period_start,
        "told": told,
    }
    connection.execute(_NOTE, noted)


def _keep_events(
    connection: Connection, budget: Budget, percents: Sequence[int], usage_nano: int, start: float, now: float
) -> None:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    rows = [
        {
            "budget_id": budget.id,
            "budget_name": budget.terms.name,
            "percent": percent,
            "usage_nano": usage_nano,
            "amount_nano": budget.terms.amount_nano,
            "period_start": start,
            "at": now,
        }
        for percent in percents
    ]
    # Where the amount was raised and is reached again, it was told before.
    connection.execute(insert(budget_events).on_conflict_do_nothing(), rows)


def _forget_events(connection: Connection, budget_id: int, kept: int) -> None:
    mine = budget_events.c.budget_id == budget_id
    newest = select(budget_events.c.id).where(mine).order_by(budget_events.c.id.desc())
    last = connection.execute(newest.offset(kept).limit(1)).scalar()
    if last is not None:
        connection.execute(delete(budget_events).where(mine, budget_events.c.id <= last))


def budget_from(row: Row[Any]) -> Budget:
    """A row of the table as a budget."""
    fields = row._mapping
    terms = BudgetTerms(
        name=fields["name"],
        period=Period(fields["period"]),
        amount_nano=fields["amount_nano"],
        scope=Scope(fields["scope"]),
        subject=fields["subject"],
        is_hard=fields["is_hard"],
        is_active=fields["is_active"],
    )
    return Budget(
        id=fields["id"],
        terms=terms,
        usage_nano=fields["usage_nano"],
        period_start=fields["period_start"],
        reset_at=fields["reset_at"],
        told=fields["told"],
        created_at=fields["created_at"],
    )
