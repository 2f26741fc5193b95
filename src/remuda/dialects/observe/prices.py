"""What models cost: `/api/cost-settings`."""

from decimal import Decimal
from typing import Any, Final

import msgspec
from fastapi import Request, Response

from remuda.core.faults import InvalidRequest, Taken, Unavailable, UnknownEntry
from remuda.core.moments import iso_time
from remuda.core.money import FREE, MAX_PRICE, Price, amount_of, nano_of
from remuda.dialects.observe.forms import Fields, fields_in
from remuda.dialects.observe.parts import Add, answered, id_in
from remuda.dialects.observe.wanted import Canonical
from remuda.insight.prices import Prices
from remuda.store.prices import ModelPrice, TooManyPrices

PATH: Final = "/api/cost-settings"
INPUT: Final = "cost_per_1k_input_tokens"
OUTPUT: Final = "cost_per_1k_output_tokens"
CACHED: Final = "cost_per_1k_cached_tokens"
ELECTRICITY: Final = "electricity_cost_per_hour"
FIELDS: Final = (INPUT, OUTPUT, CACHED, ELECTRICITY)
NOTHING: Final = Decimal(0)


class CostSetting(msgspec.Struct, kw_only=True):
    """What a model costs, in the currency's whole units. Moments in UTC."""

    id: int
    model_name: str
    cost_per_1k_input_tokens: float
    cost_per_1k_output_tokens: float
    cost_per_1k_cached_tokens: float | None
    """Of the prompt's tokens that the engine held already; null: as for others."""
    electricity_cost_per_hour: float
    created_at: str
    updated_at: str


class PastPrice(msgspec.Struct, kw_only=True):
    """What it cost for a time."""

    cost_per_1k_input_tokens: float
    cost_per_1k_output_tokens: float
    cost_per_1k_cached_tokens: float | None
    electricity_cost_per_hour: float
    valid_from: str
    valid_until: str | None


class CostHistory(CostSetting, kw_only=True):
    """The same with all that it has cost, the newest price first."""

    history: list[PastPrice]


class CostSettingWrite(msgspec.Struct, kw_only=True):
    """A model's price."""

    model_name: str
    """`*`: of all models without a price of their own. An alias: of the model that it stands for."""
    cost_per_1k_input_tokens: float = 0.0
    cost_per_1k_output_tokens: float = 0.0
    cost_per_1k_cached_tokens: float | None = None
    electricity_cost_per_hour: float = 0.0


class CostSettingChange(msgspec.Struct, kw_only=True):
    """A model's price without the model, which stays."""

    cost_per_1k_input_tokens: float = 0.0
    cost_per_1k_output_tokens: float = 0.0
    cost_per_1k_cached_tokens: float | None = None
    electricity_cost_per_hour: float = 0.0


SCHEMAS: Final = (CostSetting, CostHistory, CostSettingWrite, CostSettingChange)


class PriceRoutes:
    """What answers them."""

    def __init__(self, prices: Prices | None = None, one_model: Canonical = str) -> None:
        """Without prices, to be listed and described only. `one_model` refuses names of several."""
        self._given = prices
        self._one_model = one_model

    def add_to(self, add: Add) -> None:
        """All of them."""
        one = PATH + "/{setting_id}"
        add("GET", PATH, self._list, "What models cost", list[CostSetting])
        add("POST", PATH, self._set, "Set a model's price", CostSetting, body=CostSettingWrite)
        add("GET", one, self._show, "What a model costs and has cost", CostHistory)
        add("PUT", one, self._replace, "Replace a price", CostSetting, body=CostSettingChange)
        add("PATCH", one, self._change, "Change a price", CostSetting, body=CostSettingChange)
        add("DELETE", one, self._end, "Let a model cost nothing", None, status=204)

    @property
    def _prices(self) -> Prices:
        if self._given is None:
            raise Unavailable
        return self._given

    async def _list(self, request: Request) -> Response:
        return answered([setting_of(each) for each in await self._prices.all()])

    async def _set(self, request: Request) -> Response:
        fields = await fields_in(request)
        model, price = self._one_model(fields.text("model_name")), price_in(fields, FREE)
        try:
            return answered(setting_of(await self._prices.set(model, price)))
        except TooManyPrices as error:
            raise Taken(str(error)) from error

    async def _show(self, request: Request) -> Response:
        found = await self._prices.history(_id(request))
        if not found:
            raise _unknown()
        history = [_past(each) for each in found]
        return answered(CostHistory(**msgspec.structs.asdict(setting_of(found[0])), history=history))

    async def _replace(self, request: Request) -> Response:
        return await self._changed(request, price_in(await fields_in(request), FREE))

    async def _change(self, request: Request) -> Response:
        fields = await fields_in(request)
        if not fields.any_of(FIELDS):
            raise InvalidRequest(f"nothing to change: send one of {', '.join(FIELDS)}")
        found = await self._prices.history(_id(request))
        if not found:
            raise _unknown()
        return await self._changed(request, price_in(fields, found[0].price))

    async def _changed(self, request: Request, price: Price) -> Response:
        changed = await self._prices.change(_id(request), price)
        if changed is None:
            raise _unknown()
        return answered(setting_of(changed))

    async def _end(self, request: Request) -> Response:
        if not await self._prices.end(_id(request)):
            raise _unknown()
        return Response(status_code=204)


def price_in(fields: Fields, before: Price) -> Price:
    """The price that was sent; what was not is as `before`. Raises InvalidRequest."""

    def nano(name: str, otherwise: int) -> int:
        said = fields.decimal(name, None, least=NOTHING, most=MAX_PRICE)
        if said is None:
            return otherwise
        price = nano_of(said)
        if said and not price:
            raise InvalidRequest(f"{name} is 0 or at least 0.000000001", parameter=name)
        return price

    return Price(
        nano(INPUT, before.input_nano),
        nano(OUTPUT, before.output_nano),
        nano(CACHED, 0) if CACHED in fields else before.cached_nano,
        nano(ELECTRICITY, before.electricity_nano),
    )


def setting_of(found: ModelPrice) -> CostSetting:
    """A price as the document has it."""
    return CostSetting(
        id=found.id,
        model_name=found.model,
        created_at=iso_time(found.created_at),
        updated_at=iso_time(found.valid_from),
        **_amounts(found.price),
    )


def _past(found: ModelPrice) -> PastPrice:
    until = None if found.valid_until is None else iso_time(found.valid_until)
    return PastPrice(valid_from=iso_time(found.valid_from), valid_until=until, **_amounts(found.price))


def _amounts(price: Price) -> dict[str, Any]:
    return {
        INPUT: amount_of(price.input_nano),
        OUTPUT: amount_of(price.output_nano),
        CACHED: None if price.cached_nano is None else amount_of(price.cached_nano),
        ELECTRICITY: amount_of(price.electricity_nano),
    }


def _id(request: Request) -> int:
    id_ = id_in(request, "setting_id")
    if id_ is None:
        raise _unknown()
    return id_


def _unknown() -> UnknownEntry:
    return UnknownEntry("Cost settings not found")
