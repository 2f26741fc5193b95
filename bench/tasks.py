"""`python -m bench.tasks`: what durable tasks cost.

- `submit`: tasks accepted a second by 32 submitters at once, each on disk before it is acknowledged.
- `claim`: how long a claim takes with 100,000 tasks waiting.
- `through`: tasks a second through 4 worker processes whose handler does nothing, from the first claim to the last end:
  on SQLite, on Postgres, and procrastinate on the same Postgres, in turns.

Postgres is a private one, with its defaults but for what tests set; the disk is this machine's.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.fixtures.postgres import PostgresServer, private_postgres

from bench import machine, peers
from bench.targets import peer_python
from remuda.app.durable import worker_name
from remuda.core.chance import system_chance
from remuda.core.clock import SystemClock
from remuda.core.record import RequestRecord
from remuda.core.task import Claim, NewTask, TaskState
from remuda.jobs.live import Live
from remuda.jobs.queue import TaskBounds, TaskQueue
from remuda.jobs.runner import Outcome
from remuda.jobs.worker import Worker, WorkerRules
from remuda.store import Store, open_store, store_url_in
from remuda.store.task_claims import claim_tasks
from remuda.store.tasks import TaskFilter, backlog, submit_tasks, task_page

WORKERS = 4
CONCURRENCY = 16
SUBMITTERS = 32
WAITING = 100_000
OVER = TaskFilter(states=[TaskState.COMPLETED])

DEFERRING = """
import asyncio, sys, time
import procrastinate
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=sys.argv[2]))
@app.task(name="nothing")
async def nothing(number):
    return None
async def submit(count, together):
    numbers = iter(range(count))
    async def one():
        for number in numbers:
            await nothing.defer_async(number=number)
    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(together)))
    print(count / (time.perf_counter() - began), flush=True)
async def main():
    async with app.open_async():
        if sys.argv[1] == "schema":
            await app.schema_manager.apply_schema_async()
        elif sys.argv[1] == "submit":
            await submit(int(sys.argv[3]), int(sys.argv[4]))
        else:
            await app.run_worker_async(concurrency=int(sys.argv[3]), wait=False, install_signal_handlers=False)
asyncio.run(main())
"""
"""procrastinate's own way, in a process of its own environment."""


class Nothing:
    """An attempt that has ended before it has begun."""

    tokens = 0

    def __init__(self, claim: Claim) -> None:
        self._claim = claim

    async def outcome(self) -> Outcome:
        """All went well."""
        record = RequestRecord(
            id=self._claim.id,
            started_at=0.0,
            dialect="tasks",
            operation="chat",
            model="m",
            replica="r",
            key_id="",
            status=200,
            fault="",
            is_streamed=False,
            attempts=1,
            queue_wait_s=0.0,
            ttft_s=None,
            duration_s=0.0,
            prompt_tokens=1,
            completion_tokens=1,
            cached_tokens=0,
            tokens_estimated=False,
            bytes_in=1,
            bytes_out=1,
            finish_reason="stop",
        )
        return Outcome(200, b"{}", "", record)

    def stop(self, *, is_too_late: bool = False) -> None:
        """There is nothing to stop."""


class EmptyRunner:
    """Has nothing done."""

    def start(self, claim: Claim, tell: Callable[[str, int], None]) -> Nothing:
        """It is done."""
        del tell
        return Nothing(claim)


def task(number: int) -> NewTask:
    """One of ten keys'."""
    return NewTask(f"task-{number:09d}", f"key-{number % 10}", "tasks", "/p", "m", b'{"prompt":"nothing"}')


async def fill(store: Store, count: int, first: int = 0) -> None:
    """Submit so many, as fast as it goes."""
    for start in range(0, count, 1000):
        await submit_tasks(
            store, [task(first + number) for number in range(start, min(count, start + 1000))], time.time()
        )


async def submit_rate(url: str, count: int) -> float:
    """Tasks a second that are accepted one by one."""
    store = await open_store(url)
    queue = TaskQueue(store, Live(), SystemClock(), TaskBounds(10**9, 10**9))
    numbers = iter(range(count))

    async def one() -> None:
        for number in numbers:
            await queue.submit(task(number))

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(SUBMITTERS)))
    took = time.perf_counter() - began
    await queue.close()
    await store.close()
    return count / took


async def claim_ms(url: str, waiting: int, claims: int = 300) -> list[float]:
    """How long each of so many claims takes, in ms."""
    store = await open_store(url)
    await fill(store, waiting)
    found = []
    for _ in range(claims):
        began = time.perf_counter()
        got = await claim_tasks(store, "w", "m", 1, time.time(), 3600.0)
        found.append((time.perf_counter() - began) * 1000)
        assert len(got) == 1
    await store.close()
    return found


async def work(url: str) -> None:
    """A worker process: until nothing is left."""
    store = await open_store(url)

    async def room(model: str) -> int:
        return CONCURRENCY

    rules = WorkerRules(concurrency=CONCURRENCY, poll_s=0.05)
    worker = Worker(worker_name(), store, EmptyRunner(), room, Live(), SystemClock(), system_chance, rules)
    worker.start()
    print("ready", flush=True)
    idle = 0
    while idle < 3:
        await asyncio.sleep(0.1)
        idle = idle + 1 if worker.unsaved == 0 and not (await backlog(store)).total else 0
    await worker.close()
    await store.close()


async def through(url: str, count: int) -> float:
    """Tasks a second through four worker processes."""
    store = await open_store(url)
    await fill(store, count)
    command = [sys.executable, "-m", "bench.tasks", "--work", url]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(WORKERS)]  # noqa: ASYNC220
    for process in processes:
        await asyncio.to_thread(process.wait)
    tasks = []
    before: int | None = None
    while page := await task_page(store, OVER, 1000, before):
        tasks += page
        before = page[-1].seq
    await store.close()
    assert len(tasks) == count, f"{len(tasks)} of {count} were done"
    began = min(each.started_at or 0.0 for each in tasks)
    return count / (max(each.finished_at or 0.0 for each in tasks) - began)


def procrastinate(*arguments: str | int) -> str:
    """What it prints."""
    done = subprocess.run(
        [str(peer_python("procrastinate")), "-c", DEFERRING, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout


def procrastinate_rates(server: PostgresServer, count: int) -> tuple[float, float]:
    """Submitted a second, and done a second by four processes."""
    database = server.new_database()
    info = server.url(database)
    procrastinate("schema", info)
    submitted = float(procrastinate("submit", info, count, SUBMITTERS))
    command = [str(peer_python("procrastinate")), "-c", DEFERRING, "work", info, str(CONCURRENCY)]
    processes = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(WORKERS)
    ]
    for process in processes:
        process.wait()
    took = server.ask(
        "SELECT extract(epoch FROM max(at) FILTER (WHERE type = 'succeeded') - "
        "min(at) FILTER (WHERE type = 'started')) FROM procrastinate_events",
        database,
    )
    done = int(server.ask("SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'", database))
    assert done == count, f"{done} of {count} were done"
    return submitted, count / float(took)


def measured(pairs: int, count: int, waiting: int, console: Console) -> dict[str, Any]:
    """All samples."""
    found: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)
        console.print(f"{name}: {value:,.1f}")

    fault = peers.install_one("procrastinate")
    if fault:
        console.print(fault)
    with tempfile.TemporaryDirectory(prefix="remuda-tasks-") as folder, private_postgres() as server:
        places = iter(Path(folder) / str(number) for number in range(1000))
        urls: dict[str, Callable[[], str]] = {
            "sqlite": lambda: store_url_in(next(places)),
            "postgres": lambda: server.url(server.new_database()),
        }
        for name, url in urls.items():
            for each in asyncio.run(claim_ms(url(), waiting)):
                found.setdefault(f"claim ms, {name}", []).append(each)
        for _ in range(pairs):
            for name, url in urls.items():
                note(f"submitted/s, {name}", asyncio.run(submit_rate(url(), count)))
                note(f"through/s, {name}", asyncio.run(through(url(), count)))
            if not fault:
                submitted, done = procrastinate_rates(server, count)
                note("submitted/s, procrastinate", submitted)
                note("through/s, procrastinate", done)
    return found


def main() -> int:
    """Measure, show, and write to bench/out/tasks.json; 1 where the bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.tasks", description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--waiting", type=int, default=WAITING)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        asyncio.run(work(asked.work))
        return 0
    console = Console()
    found = measured(asked.pairs, asked.tasks, asked.waiting, console)
    table = Table("what", "median", "least", "most", "p99")
    for name, values in found.items():
        p99 = sorted(values)[int(len(values) * 0.99)] if len(values) > 50 else None
        cells = [statistics.median(values), min(values), max(values)]
        table.add_row(name, *(f"{each:,.2f}" for each in cells), f"{p99:,.2f}" if p99 is not None else "")
    console.print(table)
    out = machine.OUT / "tasks.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"at": datetime.now(UTC).isoformat(), "samples": found}, indent=1))
    theirs, ours = found.get("through/s, procrastinate"), found["through/s, postgres"]
    if not theirs:
        return 2
    ratio = statistics.median(ours) / statistics.median(theirs)
    console.print(f"{ratio:.2f} times procrastinate (bar: at least 0.5): {'kept' if ratio >= 0.5 else 'missed'}")
    return 0 if ratio >= 0.5 else 1


if __name__ == "__main__":
    sys.exit(main())
