"""`kill -9` in the middle of the work: at most the last second is missing, and nothing is there twice."""

import asyncio
import sys
from pathlib import Path

import pytest
from tests.contract.store.samples import run_sql

from remuda.core.clock import SystemClock
from remuda.core.ids import request_ids
from remuda.store import Journal, Store, open_store
from remuda.store.journal_reading import JournalFilter, journal_page

GATEWAY = """
import asyncio, sys
from pathlib import Path
from remuda.core.clock import SystemClock
from remuda.core.ids import request_ids
from remuda.core.record import RequestRecord
from remuda.store import Journal, open_store

async def main():
    clock = SystemClock()
    store = await open_store(sys.argv[1])
    journal = Journal(store, Path(sys.argv[2]), clock=clock, ids=request_ids())
    await journal.start()
    number = 0
    while True:
        number += 1
        record = RequestRecord(
            f"req_{number}", clock.wall(), "openai", "chat", "m", "r", "", 200, "", False, 1, 0.0, None, 0.5,
            1, 2, 0, False, 10, 20, "stop",
        )
        journal.append(record)
        print(number, record.started_at, journal.committed, journal.spilled, flush=True)
        await clock.sleep(0.002)

asyncio.run(main())
"""

COMMITTED, SPILLED = 2, 3


async def killed_gateway(url: str, spool_folder: Path, counter: int) -> tuple[int, float]:
    """Run a gateway that journals 500 records a second, kill it when `counter` has come to 300; its last record."""
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-c", GATEWAY, url, str(spool_folder), stdout=asyncio.subprocess.PIPE
    )
    assert gateway.stdout is not None
    last = (0, 0.0)
    while line := await gateway.stdout.readline():
        words = line.split()
        last = (int(words[0]), float(words[1]))
        if int(words[counter]) >= 300 and gateway.returncode is None:
            gateway.kill()
            break
    # What it printed between our reading and its death counts too; a line may be torn.
    for line in (await gateway.stdout.read()).splitlines(keepends=True):
        words = line.split()
        if line.endswith(b"\n"):
            last = (int(words[0]), float(words[1]))
    await gateway.wait()
    return last


async def kept(store: Store) -> list[tuple[int, float]]:
    """Number and time of every record, oldest first."""
    found = []
    cursor = None
    while True:
        page = await journal_page(store, JournalFilter(), before_id=cursor, limit=1000)
        found += [(int(entry.record.id.removeprefix("req_")), entry.record.started_at) for entry in page.entries]
        cursor = page.next_cursor
        if cursor is None:
            return found[::-1]


def assert_only_the_last_second_is_missing(found: list[tuple[int, float]], last: tuple[int, float]) -> None:
    assert [number for number, _ in found] == list(range(1, len(found) + 1)), "in order, none twice, no gaps"
    assert len(found) >= 300
    # The first that is missing was appended right after the last that is there.
    assert last[0] == len(found) or last[1] - found[-1][1] < 1.0


async def test_after_kill_9_at_most_the_last_second_is_missing(store: Store, store_url: str, spool_folder: Path):
    last = await killed_gateway(store_url, spool_folder, COMMITTED)
    assert_only_the_last_second_is_missing(await kept(store), last)


@pytest.mark.postgres
async def test_after_kill_9_while_spooling_the_next_process_loads_the_spool(
    postgres_database: str, postgres_server, spool_folder: Path
):
    store = await open_store(postgres_database)
    # A store that opens and answers, but takes no records.
    await run_sql(store, "ALTER TABLE journal RENAME TO journal_away")
    last = await killed_gateway(postgres_database, spool_folder, SPILLED)
    assert await spilled_files(spool_folder)
    await run_sql(store, "ALTER TABLE journal_away RENAME TO journal")
    journal = Journal(store, spool_folder, clock=SystemClock(), ids=request_ids())
    await journal.start()
    await journal.flush()
    await journal.close()
    assert_only_the_last_second_is_missing(await kept(store), last)
    assert not await spilled_files(spool_folder)
    await store.close()


async def spilled_files(folder: Path) -> list[Path]:
    return await asyncio.to_thread(lambda: list(folder.rglob("*.jsonl")))
