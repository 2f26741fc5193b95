"""Budgets: kept, changed, read. What is used of them is in `budget_usage`.

Changes raise the revision, so that running gateways stop by them within a second.
"""

from dataclasses import replace
from datetime import tzinfo
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from remuda.core.budget import Budget, BudgetEvent, BudgetTerms, start_of
from remuda.store.budget_usage import budget_from, lock_journal, note_usage, usage_since
from remuda.store.database import Store, raise_revision, read_revision
from remuda.store.errors import StoreError
from remuda.store.leases import store_now
from remuda.store.schema import journal_writers
from remuda.store.schema_costs import budget_events, budgets

MAX_BUDGETS: Final = 1000
MAX_TOLD: Final = 100
"""Events that one gateway takes upon itself to tell at a time."""
_EVENT: Final = [column for column in budget_events.columns if column.name != "told_at"]
_UNTOLD: Final = budget_events.c.told_at.is_(None)


class TooManyBudgets(StoreError):
    """There are as many budgets as are kept."""


class Standing(NamedTuple):
    """All budgets at one moment, and what is in them."""

    revision: int
    budgets: list[Budget]
    last_batch: int
    """The last of a journal's batches whose costs are counted; -1: none."""
    has_news: bool
    """Whether there are events that nobody has been told of."""


async def add_budget(store: Store, terms: BudgetTerms, now: float, zone: tzinfo, *, most: int = MAX_BUDGETS) -> Budget:
    """Keep a budget; what was used in its present period counts, as far as the journal has it. `zone`: where periods
    begin at midnight.

    Raises TooManyBudgets, StoreRefused, StoreUnavailable.
    """

    def work(connection: Connection) -> Budget:
        lock_journal(connection)
        if connection.execute(select(func.count()).select_from(budgets)).scalar_one() >= most:
            raise TooManyBudgets(f"there are {most} budgets already")
        raise_revision(connection)
        moment = store_now(connection, now)
        start = start_of(terms.period, moment, zone)
        values = {"usage_nano": 0, "period_start": start, "told": 0, "created_at": now}
        adding = insert(budgets).values(**_columns(terms), **values).returning(budgets.c.id)
        budget = Budget(connection.execute(adding).scalar_one(), terms, 0, start, None, 0, now)
        note_usage(connection, budget, usage_since(connection, terms, start), moment)
        return _one(connection, budget.id) or budget

    return await store.write(work)


async def change_budget(store: Store, id_: int, terms: BudgetTerms, now: float, zone: tzinfo) -> Budget | None:
    """Change what was decided about a budget; None where there is none of that id. Where it counts something else from
    now on, or for another period, its usage is what that has used in the present one."""

    def work(connection: Connection) -> Budget | None:
        lock_journal(connection)
        before = _one(connection, id_)
        if before is None:
            return None
        raise_revision(connection)
        connection.execute(update(budgets).where(budgets.c.id == id_).values(**_columns(terms)))
        moment = store_now(connection, now)
        start = start_of(terms.period, moment, zone)
        budget = replace(before, terms=terms, told=0)
        if (terms.period, terms.scope, terms.subject) == _counted(before.terms) and start <= before.period_start:
            note_usage(connection, budget, before.usage_nano, moment)
        else:
            reset_at = start if terms.period is before.terms.period and start > before.period_start else before.reset_at
            budget = replace(budget, period_start=start, reset_at=reset_at)
            note_usage(connection, budget, usage_since(connection, terms, start), moment)
        return _one(connection, id_)

    return await store.write(work)


async def remove_budget(store: Store, id_: int) -> bool:
    """Forget a budget and its events; False where there is none."""

    def work(connection: Connection) -> bool:
        lock_journal(connection)
        if connection.execute(delete(budgets).where(budgets.c.id == id_)).rowcount == 0:
            return False
        connection.execute(delete(budget_events).where(budget_events.c.budget_id == id_))
        raise_revision(connection)
        return True

    return await store.write(work)


async def budgets_now(store: Store, now: float, zone: tzinfo, writer: str = "") -> Standing:
    """All budgets by id, as of `now` (wall clock): a period that is over counts no more. `writer`: whose journal's
    batches are asked for."""

    def work(connection: Connection) -> Standing:
        # The revision first, as `store.keys.usable_keys` explains; the rest is of one moment.
        revision = read_revision(connection)
        found = [budget_from(row) for row in connection.execute(select(budgets).order_by(budgets.c.id))]
        marks = select(journal_writers.c.last_batch).where(journal_writers.c.writer == writer)
        last_batch = connection.execute(marks).scalar()
        has_news = connection.execute(select(budget_events.c.id).where(_UNTOLD).limit(1)).scalar() is not None
        return Standing(
            revision, [as_of(budget, now, zone) for budget in found], -1 if last_batch is None else last_batch, has_news
        )

    return await store.snapshot(work)


def as_of(budget: Budget, now: float, zone: tzinfo) -> Budget:
    """The budget at the moment `now`, where nothing was used since it was written down."""
    start = start_of(budget.terms.period, now, zone)
    if start <= budget.period_start:
        return budget
    return replace(budget, usage_nano=0, period_start=start, reset_at=start, told=0)


async def take_events(store: Store, now: float) -> list[BudgetEvent]:
    """Events that nobody was told of so far, oldest first; from now on they are the caller's to tell, and no other
    gateway's."""

    def work(connection: Connection) -> list[BudgetEvent]:
        oldest = select(budget_events.c.id).where(_UNTOLD).order_by(budget_events.c.id).limit(MAX_TOLD)
        taking = (
            update(budget_events)
            .where(budget_events.c.id.in_(oldest.with_for_update(skip_locked=True).scalar_subquery()))
            .values(told_at=now)
            .returning(*_EVENT)
        )
        return sorted((_event_from(row) for row in connection.execute(taking)), key=lambda event: event.id)

    return await store.write(work)


async def budget_events_of(store: Store, id_: int, *, limit: int = 100) -> list[BudgetEvent]:
    """A budget's newest events, newest first."""
    mine = select(*_EVENT).where(budget_events.c.budget_id == id_).order_by(budget_events.c.id.desc()).limit(limit)
    return await store.read(lambda connection: [_event_from(row) for row in connection.execute(mine)])


def _one(connection: Connection, id_: int) -> Budget | None:
    row = connection.execute(select(budgets).where(budgets.c.id == id_)).one_or_none()
    return None if row is None else budget_from(row)


def _counted(terms: BudgetTerms) -> tuple[object, ...]:
    return terms.period, terms.scope, terms.subject


def _columns(terms: BudgetTerms) -> dict[str, Any]:
    return {
        "name": terms.name,
        "period": terms.period.value,
        "amount_nano": terms.amount_nano,
        "scope": terms.scope.value,
        "subject": terms.subject,
        "is_hard": terms.is_hard,
        "is_active": terms.is_active,
    }


def _event_from(row: Any) -> BudgetEvent:
    return BudgetEvent(*row)
