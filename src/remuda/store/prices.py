"""What models cost, and have cost.

Every change raises the revision, so that running gateways charge by it within a second.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from remuda.core.model_names import twin_of
from remuda.core.money import Price
from remuda.store.database import Store, raise_counter, raise_revision, read_revision
from remuda.store.errors import StoreError
from remuda.store.schema_costs import prices

MAX_PRICED: Final = 10_000
"""Models that have a price at a time."""
MAX_CHANGES: Final = 1000
"""Prices that are kept of each, the newest."""
_COUNTER: Final = "price"
_CURRENT: Final = prices.c.valid_until.is_(None)


class TooManyPrices(StoreError):
    """As many models have prices as can have."""


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """A model's price for a time."""

    id: int
    """The same for all prices of a model, until they are deleted; never used again."""
    model: str
    price: Price
    created_at: float
    """When the model first had a price, wall clock."""
    valid_from: float
    valid_until: float | None
    """None: until it is changed."""


async def set_price(
    store: Store, model: str, price: Price, now: float, *, max_priced: int = MAX_PRICED, max_changes: int = MAX_CHANGES
) -> ModelPrice:
    """From `now` (wall clock) on `model` costs `price`; what it cost before is kept beside it. With the tag `:latest`
    or without it is the same model, which goes by the name that was said last.

    Raises TooManyPrices, StoreRefused, StoreUnavailable.
    """

    def work(connection: Connection) -> ModelPrice:
        raise_revision(connection)  # first: whoever changes prices at the same time waits for us
        current = _first(connection, prices.c.model == model)
        if current is None:
            current = _first(connection, prices.c.model == twin_of(model))
        if current is not None:
            return _change(connection, current, price, now, max_changes, model)
        count = connection.execute(select(func.count()).select_from(prices).where(_CURRENT)).scalar_one()
        if count >= max_priced:
            raise TooManyPrices(f"{max_priced} models have prices already")
        return _insert(connection, ModelPrice(raise_counter(connection, _COUNTER), model, price, now, now, None))

    return await store.write(work)


async def change_price(store: Store, id_: int, price: Price, now: float) -> ModelPrice | None:
    """As `set_price`, for the model whose price has this id; None where there is none."""

    def work(connection: Connection) -> ModelPrice | None:
        raise_revision(connection)
        current = _first(connection, prices.c.id == id_)
        return None if current is None else _change(connection, current, price, now, MAX_CHANGES, current.model)

    return await store.write(work)


async def end_price(store: Store, id_: int, now: float) -> bool:
    """From `now` on the model costs nothing; False where there is no such price. What it cost is kept."""

    def work(connection: Connection) -> bool:
        raise_revision(connection)
        current = _first(connection, prices.c.id == id_)
        if current is None:
            return False
        _end(connection, current, now)
        return True

    return await store.write(work)


async def list_prices(store: Store) -> tuple[int, list[ModelPrice]]:
    """The revision, and what models cost at that revision (or newer), by id."""

    def work(connection: Connection) -> tuple[int, list[ModelPrice]]:
        # The revision first, as `store.keys.usable_keys` explains.
        revision = read_revision(connection)
        rows = connection.execute(select(prices).where(_CURRENT).order_by(prices.c.id))
        return revision, [_price_from(row) for row in rows]

    return await store.read(work)


async def price_history(store: Store, id_: int) -> list[ModelPrice]:
    """All that a model has cost under this id, what it costs now first; empty where that is deleted, or never was."""

    def work(connection: Connection) -> list[ModelPrice]:
        rows = connection.execute(select(prices).where(prices.c.id == id_).order_by(prices.c.seq.desc()))
        found = [_price_from(row) for row in rows]
        return found if found and found[0].valid_until is None else []

    return await store.read(work)


def _first(connection: Connection, meant: Any) -> ModelPrice | None:
    row = connection.execute(select(prices).where(meant, _CURRENT)).one_or_none()
    return None if row is None else _price_from(row)


def _change(
    connection: Connection, current: ModelPrice, price: Price, now: float, max_changes: int, model: str
) -> ModelPrice:
    if price == current.price and model == current.model:
        return current
    moment = max(now, current.valid_from)  # also where the clock was put back
    _end(connection, current, moment)
    changed = _insert(connection, replace(current, model=model, price=price, valid_from=moment))
    newest = select(prices.c.seq).where(prices.c.id == current.id).order_by(prices.c.seq.desc())
    last = connection.execute(newest.offset(max_changes).limit(1)).scalar()
    if last is not None:
        connection.execute(delete(prices).where(prices.c.id == current.id, prices.c.seq <= last))
    return changed


def _end(connection: Connection, current: ModelPrice, now: float) -> None:
    ending = update(prices).where(prices.c.id == current.id, _CURRENT)
    connection.execute(ending.values(valid_until=max(now, current.valid_from)))


def _insert(connection: Connection, new: ModelPrice) -> ModelPrice:
    values = {
        "id": new.id,
        "model": new.model,
        "created_at": new.created_at,
        "valid_from": new.valid_from,
        **new.price._asdict(),
    }
    connection.execute(insert(prices).values(values))
    return new


def _price_from(row: Row[Any]) -> ModelPrice:
    fields = row._mapping
    return ModelPrice(
        fields["id"],
        fields["model"],
        Price(*(fields[name] for name in Price._fields)),
        fields["created_at"],
        fields["valid_from"],
        fields["valid_until"],
    )
