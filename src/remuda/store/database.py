"""The open store: its connections, its transactions, its revision."""

import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Boolean, Connection, Double, Table, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from remuda.store.errors import StoreError, StoreRefused, StoreUnavailable
from remuda.store.ledger import PLAIN, Ledger
from remuda.store.places import is_sqlite, parse_store_url, prepare_file, shown
from remuda.store.schema import counters
from remuda.store.transactions import Database, Mode, T
from remuda.store.versions import HEAD, bring_up_to_date, version_of

_REVISION = "SELECT value FROM counters WHERE name = 'revision'"

ROWS_PER_INSERT = 256
"""Rows in one INSERT on SQLite, at most; a power of two. The driver gives up the interpreter's lock once per statement,
and while it waits to get it back from a busy event loop, each time the loop goes to the system both threads pay a
wake-up; a batch in few statements pays few. More rows gain nothing and make the loop wait longer for the values to be
bound: with 256, less than half a millisecond. 29 columns of them stay far below SQLite's bound of 32,766 values."""


class Store:
    """An open store of this program's version. Made by `open_store`; whoever opened it closes it.

    What the functions of this room do with it is *work*: a plain function of a connection, run inside one
    transaction, away from the caller's event loop, as a whole: handing over each statement on its own would cost
    several times the work. On SQLite each runs in a thread; on Postgres all share one, whose own event loop goes on
    with others while the server is waited for. Work returns plain values.

    There are two sets of connections: one for everybody, and one for the journal's writer, which does not wait for the
    others.
    """

    def __init__(self, url: URL, ledger: Ledger = PLAIN) -> None:
        self.url = url
        self.ledger = ledger
        """What is kept together with records of the journal."""
        self.is_sqlite = is_sqlite(url)
        self._database = _database_at(url)

    def __repr__(self) -> str:
        return f"Store({shown(self.url)!r})"

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, having read. Raises StoreUnavailable or StoreError."""
        return await self._run(work, Mode.READ)

    async def snapshot(self, work: Callable[[Connection], T]) -> T:
        """As `read`, and every statement sees the state at the first one, however long it takes."""
        return await self._run(work, Mode.SNAPSHOT)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, having written: committed and on disk; undone where it raised.

        Raises StoreUnavailable, StoreRefused or StoreError. Where the caller is cancelled meanwhile, or the connection
        breaks during the commit, the work may have been done or not.
        """
        return await self._run(work, Mode.WRITE)

    async def write_journal(self, work: Callable[[Connection], T], *, is_durable: bool) -> T:
        """As `write`, on the journal's own connection, which waits only shortly for others.

        Not durable (a difference on SQLite only, where the disk that would be waited for is this machine's): what is
        committed survives the death of this process, but what was committed last may be missing after a loss of power.
        """
        return await self._run(work, Mode.JOURNAL_DURABLE if is_durable else Mode.JOURNAL)

    async def revision(self) -> int:
        """The store's revision: another number than before means that keys have changed."""
        return await self.number(_REVISION)

    async def number(self, query: str, *values: str | float) -> int:
        """The one number that `query` finds, which is this room's own, with `values` for its `$1`, `$2` and so on. For
        what is asked every second or so for ever: it costs half of what `read` does. Raises StoreUnavailable."""
        with self._translated():
            return await self._database.number(query, values)

    async def close(self) -> None:
        """Close all connections, when work that has begun is over."""
        await self._database.close()

    async def _run(self, work: Callable[[Connection], T], mode: Mode) -> T:
        with self._translated():
            return await self._database.run(work, mode)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except (SQLAlchemyError, sqlite3.Error, OSError, TimeoutError, UnicodeError, OverflowError) as error:
            raise _translation(error, self.url) from error
        except Exception as error:
            # asyncpg's own classes, met where SQLAlchemy does not stand between (COPY). Known by where they come
            # from,
            # since the driver need not be installed.
            if type(error).__module__.startswith("asyncpg"):
                raise _translation(error, self.url) from error
            raise


async def open_store(url: str, ledger: Ledger = PLAIN) -> Store:
    """Open the store at `url` (`sqlite:///file`, `postgresql://...`) and bring it to this program's version. Whoever
    adds to the journal hands in the `ledger`.

    Raises StoreTooNew for a store of a newer version, StoreUnavailable where the server or file does not answer,
    StoreError where it cannot be a store at all.
    """
    store = store_at(url, ledger)
    try:
        await _make_current(store)
    except BaseException:
        await store.close()
        raise
    return store


def store_at(url: str, ledger: Ledger = PLAIN) -> Store:
    """The store at `url`, of whatever version, or empty; its file is made where it is missing. Connects to nothing yet.

    Raises StoreError where it cannot be a store at all.
    """
    parsed = parse_store_url(url)
    if is_sqlite(parsed):
        prepare_file(Path(str(parsed.database)))
    try:
        return Store(parsed, ledger)
    except ImportError as error:
        raise StoreError(f"a store on Postgres needs {error.name}: pip install 'remuda[postgres]'") from error


def read_revision(connection: Connection) -> int:
    """The revision as the transaction of `connection` sees it."""
    return int(connection.execute(select(counters.c.value).where(counters.c.name == "revision")).scalar_one())


def raise_revision(connection: Connection) -> None:
    """Say, in the transaction of `connection`, that something changed which running gateways hold in memory."""
    connection.execute(update(counters).where(counters.c.name == "revision").values(value=counters.c.value + 1))


def raise_counter(connection: Connection, name: str) -> int:
    """A counter's next value, from 1 on, in the transaction of `connection`; who raises it too, waits for it."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    raising = insert(counters).values(name=name, value=1)
    connection.execute(
        raising.on_conflict_do_update(index_elements=[counters.c.name], set_={"value": counters.c.value + 1})
    )
    return read_counter(connection, name)


def read_counter(connection: Connection, name: str) -> int:
    """A counter's value as the transaction of `connection` sees it; 0 where it was never raised."""
    return int(connection.execute(select(counters.c.value).where(counters.c.name == name)).scalar() or 0)


def insert_rows(connection: Connection, table: Table, rows: Iterable[Sequence[Any]], ending: str = "") -> None:
    """Add many rows, whose values stand in the order of the table's columns, in the transaction of `connection`.
    `ending`, on SQLite alone: how the statement ends, such as what to do where there is such a row already.

    Goes past SQLAlchemy's parameter handling, which would cost more than the insertion. Goes through `rows` once, and
    on SQLite takes a row only when its statement is next, so they can be made on the way.
    """
    columns = [column.name for column in table.columns]
    if connection.dialect.name == "postgresql":
        adapter: Any = connection.connection.dbapi_connection
        adapter.run_async(lambda driver: driver.copy_records_to_table(table.name, records=rows, columns=columns))
        return
    width = len(columns)
    flags = [at for at, column in enumerate(table.columns) if isinstance(column.type, Boolean)]
    gaps = [at for at, column in enumerate(table.columns) if isinstance(column.type, Double) and column.nullable]
    coming = iter(rows)
    while values := list(chain.from_iterable(islice(coming, ROWS_PER_INSERT))):
        # The driver binds an int, float or str at once; for any other type it first looks for an adapter, which costs
        # more than all else of the value. SQLite keeps truth as 0 or 1 in any case, and NaN as NULL.
        for at in flags:
            values[at::width] = [1 if value else 0 for value in values[at::width]]
        for at in gaps:
            values[at::width] = [math.nan if value is None else value for value in values[at::width]]
        _insert_values(connection, table.name, columns, values, ending)


def insert_columns(connection: Connection, table: Table, chunks: Iterable[Sequence[Sequence[Any]]]) -> None:
    """As `insert_rows`, of rows that come in chunks of at most ROWS_PER_INSERT, each a sequence of values for every
    column: of many rows alike the cheapest way. Each chunk is taken when its statement is next."""
    names = [column.name for column in table.columns]
    if connection.dialect.name == "postgresql":
        adapter: Any = connection.connection.dbapi_connection
        rows = chain.from_iterable(zip(*chunk, strict=True) for chunk in chunks)
        adapter.run_async(lambda driver: driver.copy_records_to_table(table.name, records=rows, columns=names))
        return
    kinds = [(isinstance(column.type, Boolean), column.nullable, column.server_default) for column in table.columns]
    for chunk in chunks:
        count = len(chunk[0])
        told: list[str] = []
        columns: list[Sequence[Any]] = []
        for name, (is_flag, is_nullable, default), column in zip(names, kinds, chunk, strict=True):
            # As in `insert_rows`. What no row tells is not bound at all, since each value bound costs: our columns'
            # defaults are nothing, nought and false.
            if is_nullable:
                gaps = column.count(None)
                if gaps == count:
                    continue
                if gaps:
                    column = [math.nan if value is None else value for value in column]
            elif default is not None and not any(column):
                continue
            elif is_flag:
                column = list(map(int, column))
            told.append(name)
            columns.append(column)
        values = [None] * (len(told) * count)
        for at, column in enumerate(columns):
            values[at :: len(told)] = column
        _insert_values(connection, table.name, told, values)


def _insert_values(
    connection: Connection, table: str, columns: Sequence[str], values: list[Any], ending: str = ""
) -> None:
    """Add at most ROWS_PER_INSERT rows to SQLite, whose values stand one row after another."""
    width = len(columns)
    # Names of our own schema; values are bound.
    head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "
    places = "(" + ", ".join("?" * width) + ")"
    start, size = 0, ROWS_PER_INSERT
    while start < len(values):
        # Powers of two only: few different statements, which the driver keeps prepared.
        while start + size * width > len(values):
            size //= 2
        end = start + size * width
        connection.exec_driver_sql(head + ", ".join([places] * size) + ending, tuple(values[start:end]))
        start = end


async def _make_current(store: Store) -> None:
    version = await store.read(version_of)
    await store._database.prepare()
    if version != HEAD:
        await store.write(bring_up_to_date)


def _database_at(url: URL) -> Database:
    if is_sqlite(url):
        from remuda.store.sqlite import SQLiteDatabase

        return SQLiteDatabase(url)
    from remuda.store.postgres import PostgresDatabase

    return PostgresDatabase(url)


def _translation(error: Exception, url: URL) -> StoreError:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    said = " ".join(str(cause).split()) or type(cause).__name__
    # SQLAlchemy's adapter for asyncpg puts the driver's class before the driver's words.
    said = said.split(">: ", 1)[-1] if said.startswith("<class") else said
    said = said.split(" DETAIL:")[0]  # where Postgres repeats the values
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
