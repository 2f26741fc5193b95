"""Leases by name: of several gateways on one store, the one that holds a lease does what must be done once."""

from typing import Final

from sqlalchemy import Connection, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from remuda.store.database import Store
from remuda.store.schema import leases

MAX_HOLDER: Final = 200
_SERVER_CLOCK: Final = select(func.extract("epoch", func.clock_timestamp()))


async def take_lease(store: Store, name: str, holder: str, now: float, ttl_s: float) -> bool:
    """Whether `holder` has the lease `name` from now on, for `ttl_s` seconds: it was free, has expired, or was theirs.

    `now` is the wall clock; on Postgres the server's own counts instead, since gateways' clocks need not agree. Raises
    StoreUnavailable, and then the lease may have been taken or not: whoever had it must take it for lost when its time
    is over.
    """
    return await store.write(lambda connection: _take(connection, name, holder[:MAX_HOLDER], now, ttl_s))


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


def _take(connection: Connection, name: str, holder: str, now: float, ttl_s: float) -> bool:
    is_postgres = connection.dialect.name == "postgresql"
    now = store_now(connection, now)
    insert = postgresql.insert if is_postgres else sqlite.insert
    taking = insert(leases).values(name=name, holder=holder, expires_at=now + ttl_s)
    taken = connection.execute(
        taking.on_conflict_do_update(
            index_elements=[leases.c.name],
            set_={"holder": taking.excluded.holder, "expires_at": taking.excluded.expires_at},
            # An expiry further ahead than any lease lasts was written by a clock that has been put back since.
            where=or_(
                leases.c.holder == holder, leases.c.expires_at <= now, leases.c.expires_at > now + MAX_AHEAD * ttl_s
            ),
        )
    )
    return taken.rowcount == 1


MAX_AHEAD: Final = 10
"""Times its length that a lease may still last; more is nonsense."""
