"""What the gateway that asks the nodes has seen of each, for the other gateways on the same store.

A node that has a row is asked by the gateway that leads; all others each gateway asks by itself.
"""

from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy import Connection, case, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from remuda.store.database import Store, raise_counter, read_counter
from remuda.store.errors import StoreRefused
from remuda.store.leases import has_lease
from remuda.store.schema import sightings

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""A node's list of thousands of models is below this."""
ALL: Final = -1
"""The version before the first."""
_COUNTER: Final = "sightings"


async def write_sightings(
    store: Store, seen: Mapping[str, str], kept: Collection[str], *, lease: str, holder: str
) -> None:
    """Keep what was seen last of some nodes, by node: a text of the writer's own, at most MAX_BODY_BYTES in UTF-8; and
    what is there of those `kept`. What is there of all others is forgotten.

    Raises StoreRefused for a text that is longer, and where the lease is no longer `holder`'s: a gateway that stood
    still meanwhile must not write over what the one after it has. Raises StoreUnavailable.
    """
    for node, body in seen.items():
        if len(body.encode()) > MAX_BODY_BYTES:
            raise StoreRefused(f"what was seen of {node} is too long to be kept")

    def work(connection: Connection) -> None:
        # One change at a time raises the counter, so that no reader sees a number whose change is still to come, and
        # whoever takes the lease later writes later.
        version = raise_counter(connection, _COUNTER)
        if not has_lease(connection, lease, holder):
            raise StoreRefused(f"another gateway has the lease {lease}")
        connection.execute(delete(sightings).where(sightings.c.node.not_in(sorted({*seen, *kept}))))
        if not seen:
            return
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        writing = insert(sightings)
        connection.execute(
            writing.on_conflict_do_update(
                index_elements=[sightings.c.node],
                set_={"body": writing.excluded.body, "version": writing.excluded.version},
            ),
            [{"node": node, "body": body, "version": version} for node, body in sorted(seen.items())],
        )

    await store.write(work)


async def read_sightings(store: Store, after: int = ALL) -> tuple[int, dict[str, str | None]] | None:
    """The version that things stand at, and all nodes that the gateway that leads has seen, with what it has written of
    each since the version `after`, None where that is nothing. None in place of both where nothing at all has changed
    since. Raises StoreUnavailable."""

    def work(connection: Connection) -> tuple[int, dict[str, str | None]] | None:
        version = read_counter(connection, _COUNTER)
        if version == after:
            return None
        news = case((sightings.c.version > after, sightings.c.body))
        rows = connection.execute(select(sightings.c.node, news.label("body")))
        return version, {str(row.node): row.body for row in rows}

    return await store.read(work)
