"""The stores that the contract suite runs on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.fixtures.postgres import PostgresServer, private_postgres

from remuda.core.clock import Clock, SystemClock
from remuda.core.ids import request_ids
from remuda.store import Journal, JournalBounds, Store, open_store, store_url_in

ON_POSTGRES = pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.xdist_group("postgres")])


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for the whole run of this worker."""
    with private_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """A database with an empty store: copying it is faster than applying the migrations for every test."""
    name = postgres_server.new_database()

    async def migrate() -> None:
        await (await open_store(postgres_server.url(name))).close()

    asyncio.run(migrate())
    return name


@pytest.fixture
def postgres_database(postgres_server: PostgresServer, postgres_template: str) -> Iterator[str]:
    """URL of a fresh store on Postgres."""
    name = postgres_server.new_database(postgres_template)
    yield postgres_server.url(name)
    postgres_server.start()
    postgres_server.drop_database(name)


@pytest.fixture(params=["sqlite", ON_POSTGRES])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a fresh store, on each kind of database in turn."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_database")
        return url
    return store_url_in(tmp_path / "data")


@pytest.fixture(params=["sqlite", ON_POSTGRES])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database in which no store has been made yet."""
    if request.param != "postgres":
        yield store_url_in(tmp_path / "empty")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.new_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """A fresh store, open."""
    opened = await open_store(store_url)
    yield opened
    await opened.close()


@pytest.fixture
def spool_folder(tmp_path: Path) -> Path:
    """Where a journal may spool."""
    return tmp_path / "spool"


@pytest.fixture
def new_journal(spool_folder: Path):
    """Makes journals; tests that do not `start` them decide by `flush` when they write."""

    def make(store: Store, clock: Clock | None = None, **bounds: float) -> Journal:
        # A slow test machine is no slow store: unless a test is about patience, there is plenty of it.
        limits = JournalBounds(**{"patience_s": 60.0, **bounds})
        return Journal(store, spool_folder, clock=clock or SystemClock(), ids=request_ids(), bounds=limits)

    return make
