"""How busy the machines were that gateways run on, minute by minute."""

from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from remuda.store.database import Store
from remuda.store.schema_machine import machine_minutes


class Busy(NamedTuple):
    """Shares of what there is, from 0 to 100."""

    cpu_percent: float
    memory_percent: float
    gpu_percent: float | None = None
    """None where there is none, or nobody can tell."""


async def note_minute(store: Store, machine: str, minute: int, busy: Busy) -> None:
    """Keep how busy `machine` was in that minute (since 1970); the first to say so counts. Raises StoreError."""

    def work(connection: Connection) -> None:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        noting = insert(machine_minutes).values(minute=minute, machine=machine, **busy._asdict())
        connection.execute(noting.on_conflict_do_nothing())

    await store.write(work)


async def busy_minutes(store: Store, since: int, until: int, step: int) -> dict[int, Busy]:
    """Means over all machines and each `step` minutes, by the first minute of the step, of those from `since` to before
    `until`. Raises StoreError."""
    columns = machine_minutes.c
    first = (columns.minute - columns.minute % step).label("first")
    query = (
        select(first, func.avg(columns.cpu_percent), func.avg(columns.memory_percent), func.avg(columns.gpu_percent))
        .where(columns.minute >= since, columns.minute < until)
        .group_by(first)
    )
    rows = await store.read(lambda connection: connection.execute(query).all())
    return {int(row[0]): Busy(*row[1:]) for row in rows}


async def prune_minutes(store: Store, before: int) -> int:
    """Forget the minutes before that one; return how many rows. Raises StoreError."""
    old = delete(machine_minutes).where(machine_minutes.c.minute < before)
    return await store.write(lambda connection: connection.execute(old).rowcount)
