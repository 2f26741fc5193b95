"""Which version a store has, and bringing it to this program's."""

from sqlalchemy import Connection, column, inspect, select, table, text

from remuda.store import (  # noqa: F401 - they add their tables
    schema_alerts,
    schema_costs,
    schema_insight_compare,
    schema_insight_rollups,
    schema_machine,
)
from remuda.store.errors import StoreError, StoreTooNew
from remuda.store.migrations import REVISIONS
from remuda.store.schema import VERSION_TABLE, metadata

HEAD = REVISIONS[-1]

_MIGRATION_LOCK = 0x52454D554441  # "REMUDA": a number that no other program's advisory lock is likely to have


def version_of(connection: Connection) -> str | None:
    """The store's version; None for an empty database.

    Raises StoreTooNew for a version that this program does not know, StoreError for tables that are somebody else's.
    """
    found = set(inspect(connection).get_table_names())
    if VERSION_TABLE not in found:
        foreign = sorted(found & set(metadata.tables))
        if foreign:
            raise StoreError(f"the database holds tables of another program under names of ours: {', '.join(foreign)}")
        return None
    version = connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar()
    if version is not None and version not in REVISIONS:
        raise StoreTooNew(
            f"the store has version {version}, which is newer than this Remuda (version {HEAD}): "
            "upgrade Remuda, or open another store"
        )
    return version


def bring_up_to_date(connection: Connection) -> None:
    """Apply what is missing, inside the caller's transaction. Several processes may do so at once: one does it, the
    others wait for it."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
    # On SQLite the transaction itself, begun as a writer's, keeps the others out.
    if version_of(connection) != HEAD:  # else another process was first
        migrate(connection, "head")


def migrate(connection: Connection, target: str) -> None:
    """Apply the migrations up to the version `target`, inside the caller's transaction."""
    # Alembic is loaded only here: it takes longer to import than an up-to-date store takes to open.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "remuda.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, target)
