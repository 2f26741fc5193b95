"""What the gateway that asks the nodes has seen of each, for the other gateways on the same store."""

from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from remuda.store.database import Store, raise_counter, read_counter
from remuda.store.errors import StoreRefused
from remuda.store.schema import sightings

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""A node's list of thousands of models is below this."""
_COUNTER: Final = "sightings"


async def write_sightings(store: Store, seen: Mapping[str, str]) -> None:
    """Keep what was seen last of some nodes, by node: a text of the writer's own, at most MAX_BODY_BYTES in UTF-8.

    Raises StoreRefused for a longer one, StoreUnavailable.
    """
    for node, body in seen.items():
        if len(body.encode()) > MAX_BODY_BYTES:
            raise StoreRefused(f"what was seen of {node} is too long to be kept")
    if not seen:
        return
    rows = [{"node": node, "body": body} for node, body in sorted(seen.items())]

    def work(connection: Connection) -> None:
        # One change at a time raises the counter, so that no reader sees a number whose change is still to come.
        version = raise_counter(connection, _COUNTER)
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        writing = insert(sightings)
        connection.execute(
            writing.on_conflict_do_update(
                index_elements=[sightings.c.node],
                set_={"body": writing.excluded.body, "version": writing.excluded.version},
            ),
            [row | {"version": version} for row in rows],
        )

    await store.write(work)


async def read_sightings(store: Store, after: int = 0) -> tuple[int, dict[str, str]]:
    """What changed since the version `after`, by node, and the version it stands at now. Raises StoreUnavailable."""

    def work(connection: Connection) -> tuple[int, dict[str, str]]:
        version = read_counter(connection, _COUNTER)
        if version == after:
            return version, {}
        query = select(sightings.c.node, sightings.c.body).where(sightings.c.version > after)
        rows = connection.execute(query)
        return version, {str(row.node): str(row.body) for row in rows}

    return await store.read(work)


async def forget_sightings(store: Store, kept: Collection[str]) -> None:
    """Forget all nodes but those `kept`. Raises StoreUnavailable."""
    others = delete(sightings).where(sightings.c.node.not_in(sorted(kept)))
    await store.write(lambda connection: connection.execute(others))
