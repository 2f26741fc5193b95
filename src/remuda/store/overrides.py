"""Settings that were changed while the gateway ran: they come before the settings file, also after a restart."""

from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from remuda.store.database import Store, raise_revision, read_revision
from remuda.store.errors import StoreRefused
from remuda.store.schema import overrides

MAX_VALUE_CHARS: Final = 65_536


class Override(NamedTuple):
    """A changed setting."""

    value: str
    """In JSON."""
    changed_at: float
    """Wall clock."""


async def set_override(store: Store, name: str, value: str | None, now: float) -> None:
    """Change the setting `name` to the JSON `value`; None: what the settings file says counts again.

    Raises the revision. Raises StoreRefused for a value that is too long, StoreUnavailable.
    """
    if value is not None and len(value) > MAX_VALUE_CHARS:
        raise StoreRefused(f"the value of {name} is too long to be kept")

    def work(connection: Connection) -> None:
        if value is None:
            connection.execute(delete(overrides).where(overrides.c.name == name))
        else:
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            setting = insert(overrides).values(name=name, value=value, changed_at=now)
            connection.execute(
                setting.on_conflict_do_update(
                    index_elements=[overrides.c.name],
                    set_={"value": setting.excluded.value, "changed_at": setting.excluded.changed_at},
                )
            )
        raise_revision(connection)

    await store.write(work)


async def read_overrides(store: Store) -> tuple[int, dict[str, Override]]:
    """The revision, and all changed settings by name as they were at that revision (or newer)."""

    def work(connection: Connection) -> tuple[int, dict[str, Override]]:
        revision = read_revision(connection)  # first, as `store.keys.usable_keys` explains
        rows = connection.execute(select(overrides.c.name, overrides.c.value, overrides.c.changed_at))
        return revision, {name: Override(value, changed_at) for name, value, changed_at in rows}

    return await store.read(work)
