"""A store in a Postgres database."""

from collections.abc import Callable, Sequence

from sqlalchemy import URL, Connection

# Only imported where a store is on Postgres: with it comes a third of SQLAlchemy's import time.
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from remuda.store.loop_thread import LoopThread
from remuda.store.transactions import Mode, T

CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 60.0
JOURNAL_COMMAND_TIMEOUT_S = 10.0


class PostgresDatabase:
    """A Postgres database: work runs in threads, each with an event loop that its connections belong to.

    What work computes, such as the journal's sums, holds up other work there, and not the requests of the gateway.
    """

    def __init__(self, url: URL) -> None:
        self._engine = self._engine_of(url, COMMAND_TIMEOUT_S, pool_size=5)
        self._snapshot_engine = self._engine.execution_options(isolation_level="REPEATABLE READ")
        self._journal_engine = self._engine_of(url, JOURNAL_COMMAND_TIMEOUT_S, pool_size=1)

        # As on SQLite: the journal's writer queues behind nothing.
        self._thread = LoopThread("remuda-store", self._engine.dispose)
        self._journal_thread = LoopThread("remuda-journal", self._journal_engine.dispose)

    async def run(self, work: Callable[[Connection], T], mode: Mode) -> T:
        if mode.is_journals:
            return await self._journal_thread.run(self._run(work, self._journal_engine))
        engine = self._snapshot_engine if mode is Mode.SNAPSHOT else self._engine
        return await self._thread.run(self._run(work, engine))

    async def number(self, query: str, values: Sequence[str | float]) -> int:
        return await self._thread.run(self._number(query, tuple(values)))

    async def prepare(self) -> None:
        """Nothing: a server is set up by whoever runs it."""

    async def close(self) -> None:
        await self._journal_thread.close()
        await self._thread.close()

    async def _run(self, work: Callable[[Connection], T], engine: AsyncEngine) -> T:
        async with engine.connect() as connection, connection.begin():
            return await connection.run_sync(work)

    async def _number(self, query: str, values: tuple[str | float, ...]) -> int:
        async with self._engine.connect() as connection:
            return int((await connection.exec_driver_sql(query, values)).scalar_one())

    @staticmethod
    def _engine_of(url: URL, command_timeout_s: float, *, pool_size: int) -> AsyncEngine:
        return create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0 if pool_size == 1 else pool_size,
            hide_parameters=True,  # prompts and digests have no place in an error's text
            pool_pre_ping=True,  # a restarted server is noticed by the pool, not by the caller
            connect_args={
                "timeout": CONNECT_TIMEOUT_S,
                "command_timeout": command_timeout_s,
                # No query here runs for so long that compiling it pays: it takes longer than most of them.
                "server_settings": {"application_name": "remuda", "jit": "off"},
            },
        )
