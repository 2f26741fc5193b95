"""Budgets: an amount of money for a period of the calendar, and what of it is used."""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from math import floor
from typing import Final

from remuda.core.model_names import plain_model

PERCENTS: Final = (70, 90, 100)
"""Whoever wants to know is told when so much of a budget is used."""


class Period(StrEnum):
    """How long an amount is for. Each begins at midnight: a week on Monday, a month on its first day."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class Scope(StrEnum):
    """Whose requests count."""

    ALL = "all"
    MODEL = "model"
    KEY = "key"
    """A key's, by its id; a user's who logs in is `user:` and the name."""
    USER = "user"
    """Whom the client asks for, by its own word."""


Subject = tuple[Scope, str]
"""Which model, key or user; of all, nobody."""


@dataclass(frozen=True, slots=True)
class BudgetTerms:
    """What somebody decides about a budget."""

    name: str
    period: Period
    amount_nano: int
    """In 10^-9 of the currency's unit; above 0."""
    scope: Scope = Scope.ALL
    subject: str = ""
    """Which model, key or user."""
    is_hard: bool = False
    """Whether requests are refused that might cost more than what is left."""
    is_active: bool = True
    """Whether it stops and tells anything. What is used of it is counted in any case."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget and how it stands."""

    id: int
    terms: BudgetTerms
    usage_nano: int
    """What requests cost that began since `period_start`."""
    period_start: float
    """Wall clock."""
    reset_at: float | None
    """When the usage was last set back to 0: the beginning of a period. None in its first."""
    told: int
    """The highest of PERCENTS that was reached in this period; 0 for none."""
    created_at: float


@dataclass(frozen=True, slots=True)
class BudgetEvent:
    """So much of a budget is used; once for each percentage and period."""

    id: int
    budget_id: int
    budget_name: str
    percent: int
    usage_nano: int
    amount_nano: int
    period_start: float
    at: float


def start_of(period: Period, moment: float, zone: tzinfo) -> float:
    """When the period began that `moment` lies in (both wall clock)."""
    return _midnight(_first_day(period, moment, zone), zone)


def end_of(period: Period, moment: float, zone: tzinfo) -> float:
    """When the period ends that `moment` lies in, and the next begins."""
    first = _first_day(period, moment, zone)
    if period is Period.MONTHLY:
        after = (first + timedelta(days=31)).replace(day=1)
    else:
        after = first + timedelta(days=1 if period is Period.DAILY else 7)
    return _midnight(after, zone)


def reached(usage_nano: int, amount_nano: int) -> int:
    """The highest of PERCENTS that the usage has reached; 0 for none."""
    return max((percent for percent in PERCENTS if usage_nano * 100 >= amount_nano * percent), default=0)


def subjects_of(model: str, key_id: str, user_id: str) -> tuple[Subject, ...]:
    """Whose budgets a request belongs to."""
    return (
        (Scope.ALL, ""),
        (Scope.MODEL, plain_model(model)),
        (Scope.KEY, key_id),
        (Scope.USER, user_id),
    )


def _first_day(period: Period, moment: float, zone: tzinfo) -> datetime:
    """The period's first day on the wall's calendar, without a zone: days are added to it, not hours."""
    # Whole seconds: `datetime` rounds to microseconds, and the last ones of a day up to the next.
    day = datetime.fromtimestamp(floor(moment), zone).replace(
        tzinfo=None, hour=0, minute=0, second=0, microsecond=0, fold=0
    )
    if period is Period.WEEKLY:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period is Period.MONTHLY else day


def _midnight(day: datetime, zone: tzinfo) -> float:
    # Where the clocks skip midnight, it is the moment at which they do: so `fold=0` reads a time that does not exist.
    return day.replace(tzinfo=zone).timestamp()
