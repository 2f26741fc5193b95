"""Names that sources have offered at any time: a gateway that starts knows them before its upstreams answer."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from remuda.store.database import Store
from remuda.store.schema import known_models

MAX_KNOWN: Final = 10_000
"""Names kept, of all sources together; beyond it those go first that were noted longest ago."""
MAX_NAME: Final = 256
"""Longer names are not kept: none can be asked for by them."""


async def note_models(store: Store, source: str, names: Collection[str], now: float) -> None:
    """Keep that `source` offers `names` at the moment `now` (wall clock). Raises StoreUnavailable."""
    # In one order everywhere, so that two gateways that note the same names never wait for each other in a circle.
    rows = [{"name": name, "source": source, "last_seen_at": now} for name in sorted(names) if _is_kept(name)]
    await store.write(lambda connection: _note(connection, rows[:MAX_KNOWN]))


async def noted_models(store: Store) -> dict[str, list[str]]:
    """All names that are kept, by the source that offered them."""

    def work(connection: Connection) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        query = select(known_models.c.source, known_models.c.name).order_by(known_models.c.name)
        for source, name in connection.execute(query):
            found.setdefault(source, []).append(name)
        return found

    return await store.read(work)


def _note(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    noting = insert(known_models)
    key = [known_models.c.name, known_models.c.source]
    connection.execute(
        noting.on_conflict_do_update(index_elements=key, set_={"last_seen_at": noting.excluded.last_seen_at}), rows
    )
    excess = connection.execute(select(func.count()).select_from(known_models)).scalar_one() - MAX_KNOWN
    if excess > 0:
        oldest = select(*key).order_by(known_models.c.last_seen_at, *key).limit(excess)
        connection.execute(delete(known_models).where(tuple_(*key).in_(oldest)))


def _is_kept(name: str) -> bool:
    """Whether both databases take `name`: NUL is in no Postgres text, half a surrogate pair has no UTF-8."""
    return len(name) <= MAX_NAME and "\x00" not in name and not any("\ud800" <= each <= "\udfff" for each in name)
