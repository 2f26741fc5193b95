"""Leases by name: of several gateways on one store, the one that holds a lease does what must be done once."""

import math
from collections.abc import Callable
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from remuda.store.database import Store
from remuda.store.schema import leases

MAX_HOLDER: Final = 200
UNCONTESTED: Final = math.inf
"""When a lease ends that its holder keeps and nobody else wants."""
_KEPT: Final = "SELECT count(*) FROM leases WHERE name = $1 AND holder = $2 AND expires_at = $3"
_SERVER_CLOCK: Final = select(func.extract("epoch", func.clock_timestamp()))


async def take_lease(store: Store, name: str, holder: str, now: float, ttl_s: float) -> bool:
    """Whether `holder` has the lease `name` from now on, for `ttl_s` seconds: it was free, has expired, or was theirs.

    `now` is the wall clock; on Postgres the server's own counts instead, since gateways' clocks need not agree. Raises
    StoreUnavailable, and then the lease may have been taken or not: whoever had it must take it for lost when its time
    is over.
    """
    return await store.write(lambda connection: _take(connection, name, holder[:MAX_HOLDER], now, ttl_s))


async def keep_lease(store: Store, name: str, holder: str, wall: Callable[[], float], ttl_s: float) -> bool:
    """Whether `holder` has the lease `name` from now on, for `ttl_s` seconds at the least. For what is held as long as
    its holder lives: whoever has it or wants it asks again and again, several times within `ttl_s`.

    The lease has no end while only its holder asks: that costs a read each time and writes nothing. Another one who
    asks gives it an end, in `ttl_s` seconds; its holder, asking again before, takes that away; otherwise it is free.
    `wall` is the clock of `take_lease`. Raises StoreUnavailable, as that does.
    """
    holder = holder[:MAX_HOLDER]
    if await store.number(_KEPT, name, holder, UNCONTESTED):
        return True
    if await store.read(lambda connection: _is_contested(connection, name, holder, wall, ttl_s)):
        return False
    return await store.write(lambda connection: _keep(connection, name, holder, wall, ttl_s))


async def drop_lease(store: Store, name: str, holder: str) -> None:
    """Give the lease up, so that somebody else need not wait until it expires. Nothing happens where it is not theirs.

    Raises StoreUnavailable.
    """
    mine = delete(leases).where(leases.c.name == name, leases.c.holder == holder[:MAX_HOLDER])
    await store.write(lambda connection: connection.execute(mine))


async def lease_holder(store: Store, name: str) -> str | None:
    """Who had the lease last, whether it has expired or not; None where nobody ever had it, or it was given up."""
    query = select(leases.c.holder).where(leases.c.name == name)
    return await store.read(lambda connection: connection.execute(query).scalar_one_or_none())


def store_now(connection: Connection, now: float) -> float:
    """The time by the clock that all who share the store go by: a database server's own, else `now`, this machine's."""
    if connection.dialect.name != "postgresql":
        return now
    return float(connection.execute(_SERVER_CLOCK).scalar_one())


def has_lease(connection: Connection, name: str, holder: str) -> bool:
    """Whether nobody has taken the lease from `holder`, as the transaction of `connection` sees it."""
    query = select(leases.c.holder).where(leases.c.name == name)
    return bool(connection.execute(query).scalar_one_or_none() == holder[:MAX_HOLDER])


def _take(connection: Connection, name: str, holder: str, now: float, ttl_s: float) -> bool:
    now = store_now(connection, now)
    # An expiry further ahead than any lease lasts was written by a clock that has been put back since.
    is_free = or_(leases.c.expires_at <= now, leases.c.expires_at > now + MAX_AHEAD * ttl_s)
    return _put(connection, name, holder, now + ttl_s, is_free)


def _is_contested(connection: Connection, name: str, holder: str, wall: Callable[[], float], ttl_s: float) -> bool:
    """Whether it is another one's, has an end, and is not free yet: there is nothing to do but to wait."""
    query = select(leases.c.expires_at).where(leases.c.name == name, leases.c.holder != holder)
    ends_at = connection.execute(query).scalar_one_or_none()
    return ends_at is not None and bool(0 < ends_at - store_now(connection, wall()) <= ttl_s)


def _keep(connection: Connection, name: str, holder: str, wall: Callable[[], float], ttl_s: float) -> bool:
    now = store_now(connection, wall())
    if _put(connection, name, holder, UNCONTESTED, leases.c.expires_at <= now):
        return True
    ending = update(leases).where(leases.c.name == name, leases.c.expires_at > now + ttl_s)
    connection.execute(ending.values(expires_at=now + ttl_s))
    return False


def _put(connection: Connection, name: str, holder: str, until: float, is_free: ColumnElement[bool]) -> bool:
    """Write it down as theirs where there is none of that name, or it is free, or theirs; whether it is now."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    taking = insert(leases).values(name=name, holder=holder, expires_at=until)
    taken = connection.execute(
        taking.on_conflict_do_update(
            index_elements=[leases.c.name],
            set_={"holder": taking.excluded.holder, "expires_at": taking.excluded.expires_at},
            where=or_(leases.c.holder == holder, is_free),
        )
    )
    return taken.rowcount == 1


MAX_AHEAD: Final = 10
"""Times its length that a lease may still last; more is nonsense."""
