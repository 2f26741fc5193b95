"""Every task ends exactly once, whatever is killed meanwhile: workers, the gateway, the store.

A seed says what is killed, in which order. `kill -9` each time: nobody gets to say goodbye.
"""

from pathlib import Path

import pytest

from remuda.store import store_url_in
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.crashes import see_through
from tests.fixtures.postgres import PostgresServer, private_postgres

TASKS = 150
"""`make soak` does 2,000 of them, and 200 on real engines."""
KILLS = 6
SEED = 20_261_127
DEADLINE_S = 240.0
"""Against hanging only."""


async def see(
    data: Path, url: str, server: PostgresServer | None = None, *, jumps: bool = False, tasks: int = TASKS
) -> None:
    async with FakeUpstream() as upstream:
        upstream.behave(ttft_s=0.005, token_delay_s=0.002)
        await see_through(
            data,
            url,
            seed=SEED,
            tasks=tasks,
            kills=KILLS,
            offers=("--upstream", upstream.url),
            model="fake",
            deadline_s=DEADLINE_S,
            server=server,
            jumps=jumps,
        )


@pytest.mark.timeout(DEADLINE_S + 60)
async def test_every_task_ends_exactly_once_on_sqlite(tmp_path: Path) -> None:
    await see(tmp_path, store_url_in(tmp_path / "data"))


@pytest.mark.timeout(DEADLINE_S + 60)
async def test_every_task_ends_exactly_once_while_the_clock_jumps(tmp_path: Path) -> None:
    await see(tmp_path, store_url_in(tmp_path / "data"), jumps=True, tasks=60)


@pytest.mark.postgres
@pytest.mark.timeout(DEADLINE_S + 60)
async def test_every_task_ends_exactly_once_on_postgres(tmp_path: Path) -> None:
    with private_postgres() as server:
        await see(tmp_path, server.url(server.new_database()), server)
