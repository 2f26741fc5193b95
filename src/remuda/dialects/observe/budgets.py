"""Budgets: `/api/budgets`."""

from dataclasses import replace
from decimal import Decimal
from typing import Final

import msgspec
from fastapi import Request, Response

from remuda.core.budget import Budget, BudgetEvent, BudgetTerms, Period, Scope, end_of
from remuda.core.faults import InvalidRequest, Taken, Unavailable, UnknownEntry
from remuda.core.moments import iso_time
from remuda.core.money import MAX_NANO, amount_of, nano_of
from remuda.dialects.observe.forms import Fields, fields_in
from remuda.dialects.observe.parts import Add, answered, id_in, sees_all
from remuda.dialects.observe.wanted import Canonical
from remuda.insight.budgets import Budgets
from remuda.store.budgets import TooManyBudgets

PATH: Final = "/api/budgets"
SCOPES: Final = {"model_name": Scope.MODEL, "key_id": Scope.KEY, "user_id": Scope.USER}
FIELDS: Final = ("name", "budget_type", "amount", "hard_stop", "is_active", *SCOPES)
PERIODS: Final = tuple(period.value for period in Period)
MAX_AMOUNT: Final = Decimal(MAX_NANO // 10**9)
MAX_SUBJECT_CHARS: Final = 256


class BudgetView(msgspec.Struct, kw_only=True):
    """A budget and how it stands, in the currency's whole units. Moments in UTC."""

    id: int
    name: str
    budget_type: str
    """`daily`, `weekly` or `monthly`."""
    amount: float
    current_usage: float
    is_active: bool
    created_at: str
    reset_at: str | None
    """When the usage was last set back to 0; null in the first period."""
    hard_stop: bool
    """Whether requests are refused that what is left does not cover."""
    model_name: str | None
    """Whose requests count: a model's, a key's, a user's; all null: everybody's."""
    key_id: str | None
    user_id: str | None
    ends_at: str
    """When the usage is set back to 0 next."""


class BudgetWrite(msgspec.Struct, kw_only=True):
    """What is decided about a budget."""

    name: str
    budget_type: str
    amount: float
    hard_stop: bool = False
    is_active: bool = True
    model_name: str | None = None
    key_id: str | None = None
    user_id: str | None = None


class BudgetEventView(msgspec.Struct, kw_only=True):
    """So much of a budget was used."""

    id: int
    percent: int
    """70, 90 or 100; each once in a period."""
    usage: float
    amount: float
    triggered_at: str


SCHEMAS: Final = (BudgetView, BudgetWrite, BudgetEventView)


class BudgetRoutes:
    """What answers them."""

    def __init__(self, budgets: Budgets | None = None, one_model: Canonical = str) -> None:
        """Without budgets, to be listed and described only. `one_model` refuses names of several."""
        self._given = budgets
        self._one_model = one_model

    def add_to(self, add: Add) -> None:
        """All of them."""
        one = PATH + "/{budget_id}"
        add("GET", PATH, self._list, "Budgets and how they stand", list[BudgetView])
        add("POST", PATH, self._create, "Make a budget", BudgetView, body=BudgetWrite)
        add("GET", one, self._show, "One budget", BudgetView)
        add("PUT", one, self._replace, "Replace what a budget says", BudgetView, body=BudgetWrite)
        add("PATCH", one, self._change, "Change what a budget says", BudgetView, body=BudgetWrite)
        add("DELETE", one, self._remove, "Remove a budget", None, status=204)

        add("GET", one + "/events", self._events, "When a budget was used up", list[BudgetEventView])

    @property
    def _budgets(self) -> Budgets:
        if self._given is None:
            raise Unavailable
        return self._given

    async def _list(self, request: Request) -> Response:
        return answered([self._shown(each) for each in await self._budgets.all() if _may_see(request, each)])

    async def _show(self, request: Request) -> Response:
        return answered(self._shown(await self._named(request)))

    async def _create(self, request: Request) -> Response:
        terms = self._terms_in(await fields_in(request))
        try:
            return answered(self._shown(await self._budgets.add(terms)))
        except TooManyBudgets as error:
            raise Taken(str(error)) from error

    async def _replace(self, request: Request) -> Response:
        return await self._changed(request, self._terms_in(await fields_in(request)))

    async def _change(self, request: Request) -> Response:
        fields = await fields_in(request)
        if not fields.any_of(FIELDS):
            raise InvalidRequest(f"nothing to change: send one of {', '.join(FIELDS)}")
        return await self._changed(request, self._terms_in(fields, (await self._named(request)).terms))

    async def _events(self, request: Request) -> Response:
        budget = await self._named(request)
        return answered([event_shown(each) for each in await self._budgets.events(budget.id)])

    async def _remove(self, request: Request) -> Response:
        if not await self._budgets.remove((await self._named(request)).id):
            raise _unknown()
        return Response(status_code=204)

    def _terms_in(self, fields: Fields, before: BudgetTerms | None = None) -> BudgetTerms:
        terms = terms_in(fields, before)
        if terms.scope is Scope.MODEL and "model_name" in fields:
            return replace(terms, subject=self._one_model(terms.subject))
        return terms

    async def _changed(self, request: Request, terms: BudgetTerms) -> Response:
        changed = await self._budgets.change((await self._named(request)).id, terms)
        if changed is None:
            raise _unknown()
        return answered(self._shown(changed))

    async def _named(self, request: Request) -> Budget:
        id_ = id_in(request, "budget_id")
        budget = None if id_ is None else await self._budgets.one(id_)
        if budget is None or not _may_see(request, budget):
            raise _unknown()
        return budget

    def _shown(self, budget: Budget) -> BudgetView:
        terms = budget.terms
        return BudgetView(
            id=budget.id,
            name=terms.name,
            budget_type=terms.period.value,
            amount=amount_of(terms.amount_nano),
            current_usage=amount_of(budget.usage_nano),
            is_active=terms.is_active,
            created_at=iso_time(budget.created_at),
            reset_at=None if budget.reset_at is None else iso_time(budget.reset_at),
            hard_stop=terms.is_hard,
            model_name=terms.subject if terms.scope is Scope.MODEL else None,
            key_id=terms.subject if terms.scope is Scope.KEY else None,
            user_id=terms.subject if terms.scope is Scope.USER else None,
            ends_at=iso_time(end_of(terms.period, budget.period_start, self._budgets.zone)),
        )


def event_shown(event: BudgetEvent) -> BudgetEventView:
    """An event in the document's words."""
    return BudgetEventView(
        id=event.id,
        percent=event.percent,
        usage=amount_of(event.usage_nano),
        amount=amount_of(event.amount_nano),
        triggered_at=iso_time(event.at),
    )


def terms_in(fields: Fields, before: BudgetTerms | None = None) -> BudgetTerms:
    """What was sent about a budget; what was not is as `before`, and without that as usual. Raises InvalidRequest."""
    if before is None:
        before = BudgetTerms(fields.text("name"), Period(fields.one_of("budget_type", PERIODS)), _amount_in(fields))
    scope, subject = _scope_in(fields, before)
    return BudgetTerms(
        name=fields.text("name", before.name),
        period=Period(fields.one_of("budget_type", PERIODS, before.period.value)),
        amount_nano=_amount_in(fields) if "amount" in fields else before.amount_nano,
        scope=scope,
        subject=subject,
        is_hard=fields.flag("hard_stop", before.is_hard),
        is_active=fields.flag("is_active", before.is_active),
    )


def _amount_in(fields: Fields) -> int:
    amount = fields.decimal("amount", most=MAX_AMOUNT)
    amount_nano = nano_of(amount)
    if amount_nano <= 0:
        raise InvalidRequest("'amount' must be more than 0", parameter="amount", received=str(amount))
    return amount_nano


def _scope_in(fields: Fields, before: BudgetTerms) -> tuple[Scope, str]:
    said = [name for name in SCOPES if name in fields]
    if len(said) > 1:
        raise InvalidRequest(f"a budget is for one of {' and '.join(said)}", parameter=said[1])
    if not said:
        return before.scope, before.subject
    return SCOPES[said[0]], fields.text(said[0], max_chars=MAX_SUBJECT_CHARS)


def _may_see(request: Request, budget: Budget) -> bool:
    """Budgets of all and of models are for every reader; those of a key for that key."""
    caller = request.state.caller
    if budget.terms.scope in (Scope.ALL, Scope.MODEL) or sees_all(caller):
        return True
    return budget.terms.scope is Scope.KEY and budget.terms.subject == caller.key_id


def _unknown() -> UnknownEntry:
    return UnknownEntry("Budget not found")
