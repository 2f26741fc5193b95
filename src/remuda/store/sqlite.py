"""A store in an SQLite file."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event

from remuda.store.transactions import Mode, T

CONNECTIONS = 4
BUSY_TIMEOUT_S = 5.0
"""How long a transaction waits for another process's."""
JOURNAL_BUSY_TIMEOUT_S = 0.5
"""The journal's writer gives up sooner: it has a spool to go to."""


class SQLiteDatabase:
    """An SQLite file: work runs in threads, a whole transaction in one.

    Handing each statement to a thread on its own, as asynchronous drivers do, costs several times the work itself.
    """

    def __init__(self, url: URL) -> None:
        self._engine = self._engine_of(url, BUSY_TIMEOUT_S, pool_size=CONNECTIONS)
        self._journal_engine = self._engine_of(url, JOURNAL_BUSY_TIMEOUT_S, pool_size=1)
        # Threads of our own, as many as connections: nothing here queues behind whatever else the process hands to
        # threads, and the journal behind nothing at all.
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="remuda-store")
        self._journal_thread = ThreadPoolExecutor(1, thread_name_prefix="remuda-journal")

    async def run(self, work: Callable[[Connection], T], mode: Mode) -> T:
        threads = self._journal_thread if mode.is_journals else self._threads
        return await asyncio.get_running_loop().run_in_executor(threads, self._run, work, mode)

    async def number(self, query: str, values: Sequence[str | float]) -> int:
        named = {str(place): value for place, value in enumerate(values, 1)}
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._number, query, named)

    async def prepare(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, self._use_wal)

    async def close(self) -> None:
        await asyncio.to_thread(self._journal_thread.shutdown)
        await asyncio.to_thread(self._threads.shutdown)
        self._journal_engine.dispose()
        self._engine.dispose()

    def _run(self, work: Callable[[Connection], T], mode: Mode) -> T:
        engine = self._journal_engine if mode.is_journals else self._engine
        with engine.connect() as connection:
            if mode.is_writing:
                # In WAL mode NORMAL loses nothing when a process dies, only when the machine does.
                synchronous = "NORMAL" if mode is Mode.JOURNAL else "FULL"
                connection = connection.execution_options(begin="BEGIN IMMEDIATE", synchronous=synchronous)
            with connection.begin():
                return work(connection)

    def _number(self, query: str, values: Mapping[str, str | float]) -> int:
        driver = self._engine.raw_connection()
        try:
            row = driver.cursor().execute(query, values).fetchone()
        finally:
            driver.close()
        if row is None:
            raise sqlite3.OperationalError("a row is missing")
        return int(row[0])

    def _use_wal(self) -> None:
        """Readers and one writer at a time, beside each other. Kept in the file; not to be changed in a transaction."""
        driver = self._engine.raw_connection()
        try:
            cursor = driver.cursor()
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.close()
        finally:
            driver.close()

    @staticmethod
    def _engine_of(url: URL, busy_timeout_s: float, *, pool_size: int) -> Engine:
        engine = create_engine(
            url,
            poolclass=QueuePool,
            pool_size=pool_size,
            max_overflow=0,
            hide_parameters=True,  # prompts and digests have no place in an error's text
            connect_args={
                "timeout": busy_timeout_s,
                "check_same_thread": False,  # a connection is used by one thread at a time, not always the same
                # The driver begins no transactions by itself: `begin` does, as reader or as writer.
                "isolation_level": None,
            },
        )

        @event.listens_for(engine, "connect")
        def _connected(driver: Any, _record: Any) -> None:
            cursor = driver.cursor()
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.close()

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            # A transaction that begins reading and then writes can fail at once where another wrote in between; one
            # that begins writing waits for its turn.
            options = connection.get_execution_options()
            if (synchronous := options.get("synchronous")) is not None:
                connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
            connection.exec_driver_sql(options.get("begin", "BEGIN"))

        return engine
