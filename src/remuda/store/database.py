"""The open store: its connections, its transactions, its revision."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Table, event, select, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from remuda.store.errors import StoreError, StoreRefused, StoreUnavailable
from remuda.store.places import is_sqlite, parse_store_url, prepare_file, shown
from remuda.store.schema import counters
from remuda.store.versions import HEAD, bring_up_to_date, version_of

BUSY_TIMEOUT_S = 5.0
"""How long a transaction waits for another process's on SQLite."""
JOURNAL_BUSY_TIMEOUT_S = 0.5
"""The journal's writer gives up sooner: it has a spool to go to."""
CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 60.0
JOURNAL_COMMAND_TIMEOUT_S = 10.0
ROWS_PER_INSERT = 128
"""Rows in one INSERT on SQLite. The driver gives up the interpreter's lock once per statement, and each time a busy
event loop takes it, both threads pay a switch; a batch in few statements pays few. 128 rows of 22 columns stay far
below SQLite's bound of 32,766 values."""


class Store:
    """An open store of this program's version. Made by `open_store`; whoever opened it closes it.

    Functions of this room take it first. It has two sets of connections: one for everybody, and one for the journal's
    writer, which does not wait for the others.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = is_sqlite(url)
        self._engine = _engine_of(url, is_for_journal=False)
        self._journal_engine = _engine_of(url, is_for_journal=True)

    def __repr__(self) -> str:
        return f"Store({shown(self.url)!r})"

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction that sees one state of the store. Raises StoreUnavailable or StoreError."""
        async with _translated(self.url), self._engine.connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """As `read`, and every statement sees the state at the first one, however long it takes."""
        # A transaction of SQLite's does so anyway.
        engine = self._engine if self.is_sqlite else self._engine.execution_options(isolation_level="REPEATABLE READ")
        async with _translated(self.url), engine.connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction that is committed on leaving, undone by an exception. On disk when this
        returns.

        Raises StoreUnavailable, StoreRefused or StoreError.
        """
        async with _translated(self.url), _writing(self._engine).connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def write_journal(self, *, is_durable: bool) -> AsyncIterator[AsyncConnection]:
        """As `write`, on the journal's own connection, which waits only shortly for others.

        Not durable (a difference on SQLite only, where the disk that would be waited for is this machine's): what is
        committed survives the death of this process, but what was committed last may be missing after a loss of power.
        """
        engine = _writing(self._journal_engine, is_durable=is_durable)
        async with _translated(self.url), engine.connect() as connection, connection.begin():
            yield connection

    async def revision(self) -> int:
        """The store's revision: another number than before means that keys have changed."""
        async with self.read() as connection:
            return await read_revision(connection)

    async def close(self) -> None:
        """Close all connections. Transactions still open are undone."""
        await self._journal_engine.dispose()
        await self._engine.dispose()


async def open_store(url: str) -> Store:
    """Open the store at `url` (`sqlite:///file`, `postgresql://...`) and bring it to this program's version.

    Raises StoreTooNew for a store of a newer version, StoreUnavailable where the server or file does not answer,
    StoreError where it cannot be a store at all.
    """
    parsed = parse_store_url(url)
    if is_sqlite(parsed):
        prepare_file(Path(str(parsed.database)))
    try:
        store = Store(parsed)
    except ImportError as error:
        raise StoreError(f"a store on Postgres needs {error.name}: pip install 'remuda[postgres]'") from error
    try:
        await _make_current(store)
    except BaseException:
        await store.close()
        raise
    return store


async def read_revision(connection: AsyncConnection) -> int:
    """The revision as the transaction of `connection` sees it."""
    return int((await connection.execute(select(counters.c.value).where(counters.c.name == "revision"))).scalar_one())


async def raise_revision(connection: AsyncConnection) -> None:
    """Say, in the transaction of `connection`, that something changed which running gateways hold in memory."""
    await connection.execute(update(counters).where(counters.c.name == "revision").values(value=counters.c.value + 1))


async def insert_rows(connection: AsyncConnection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Add many rows, whose values stand in the order of the table's columns, in the transaction of `connection`.

    Goes past SQLAlchemy's parameter handling, which would cost more than the insertion.
    """
    if connection.dialect.name == "postgresql":
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.copy_records_to_table(table.name, records=rows, columns=[column.name for column in table.columns])
        return
    whole = len(rows) - len(rows) % ROWS_PER_INSERT
    names = ", ".join(column.name for column in table.columns)
    places = "(" + ", ".join("?" * len(table.columns)) + ")"
    statement = f"INSERT INTO {table.name} ({names}) VALUES "  # names of our own schema; values are bound
    if whole:
        many = statement + ", ".join([places] * ROWS_PER_INSERT)
        for start in range(0, whole, ROWS_PER_INSERT):
            values = tuple(chain.from_iterable(rows[start : start + ROWS_PER_INSERT]))
            await connection.exec_driver_sql(many, values)
    if whole < len(rows):
        await connection.exec_driver_sql(statement + places, [tuple(row) for row in rows[whole:]])


async def _make_current(store: Store) -> None:
    async with store.read() as connection:
        version = await connection.run_sync(version_of)
    if store.is_sqlite:
        async with _translated(store.url), store._engine.connect() as connection:
            # Kept in the file; outside a transaction, where alone SQLite can change it.
            await connection.run_sync(_use_wal)
    if version != HEAD:
        async with store.write() as connection:
            await connection.run_sync(bring_up_to_date)


def _use_wal(connection: Connection) -> None:
    driver = connection.connection.dbapi_connection
    assert driver is not None
    cursor = driver.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


def _engine_of(url: URL, *, is_for_journal: bool) -> AsyncEngine:
    if not is_sqlite(url):
        return create_async_engine(
            url,
            pool_size=1 if is_for_journal else 5,
            max_overflow=0 if is_for_journal else 5,
            pool_pre_ping=True,  # a restarted server is noticed by the pool, not by the caller
            connect_args={
                "timeout": CONNECT_TIMEOUT_S,
                "command_timeout": JOURNAL_COMMAND_TIMEOUT_S if is_for_journal else COMMAND_TIMEOUT_S,
                "server_settings": {"application_name": "remuda"},
            },
        )
    engine = create_async_engine(
        url,
        pool_size=1 if is_for_journal else 4,
        max_overflow=0,
        connect_args={
            "timeout": JOURNAL_BUSY_TIMEOUT_S if is_for_journal else BUSY_TIMEOUT_S,
            # The driver begins no transactions by itself: `_begin` does, as reader or as writer.
            "isolation_level": None,
        },
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _connected(driver: Any, _record: Any) -> None:
        cursor = driver.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that begins reading and then writes can fail at once where another wrote in between; one that
        # begins writing waits for its turn.
        options = connection.get_execution_options()
        if not options.get("is_writing"):
            connection.exec_driver_sql("BEGIN")
            return
        # In WAL mode NORMAL loses nothing when a process dies, only when the machine does.
        connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if options['is_durable'] else 'NORMAL'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _writing(engine: AsyncEngine, *, is_durable: bool = True) -> AsyncEngine:
    return engine.execution_options(is_writing=True, is_durable=is_durable)


@asynccontextmanager
async def _translated(url: URL) -> AsyncIterator[None]:
    """Errors of SQLAlchemy, the drivers and the network come out as this room's."""
    try:
        yield
    except StoreError:
        raise
    except (SQLAlchemyError, OSError, TimeoutError, UnicodeError, OverflowError) as error:
        raise _translation(error, url) from error
    except Exception as error:
        # asyncpg's own classes, met where SQLAlchemy does not stand between (COPY): known by where they come from,
        # since the driver may not be installed.
        if type(error).__module__.startswith("asyncpg"):
            raise _translation(error, url) from error
        raise


def _translation(error: Exception, url: URL) -> StoreError:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    said = " ".join(str(cause).split()) or type(cause).__name__
    # SQLAlchemy's adapter for asyncpg puts the driver's class before the driver's words.
    said = said.split(">: ", 1)[-1] if said.startswith("<class") else said
    if isinstance(error, (DataError, IntegrityError, UnicodeError, OverflowError)) or _is_value_error(cause):
        return StoreRefused(f"the store {shown(url)} does not take these values: {said}")
    if type(cause) is sqlite3.DatabaseError:  # the class itself: "not a database", "malformed"; locks are a subclass
        return StoreError(f"the store {shown(url)} is damaged: {said}")
    return StoreUnavailable(f"the store {shown(url)} does not answer: {said}")


def _is_value_error(cause: BaseException) -> bool:
    """Whether the driver refused a value before the database saw it, or the database did, past SQLAlchemy's classes."""
    if isinstance(cause, (sqlite3.InterfaceError, sqlite3.ProgrammingError)):
        return "binding parameter" in str(cause)
    sqlstate = getattr(cause, "sqlstate", None)
    # Classes 22 (data exception) and 23 (integrity constraint violation) of the SQL standard.
    return isinstance(sqlstate, str) and sqlstate[:2] in ("22", "23")
