"""`python -m bench.insight`: how long questions about the past take, and what it costs to be able to answer them.

- `writing`: CPU and records a second of the journal's writer, with rollups and without, in turns.
- `asking`: a journal of `--records` (10 million: 30 days, 20 models, 50 replicas, 50 keys, 500 users), and a gateway
  process on it that answers 200 requests a second meanwhile; every question 20 times, for 24 hours and for 30 days.

On SQLite and on Postgres (a private one with its defaults but for what tests set). The journal is written by the very
code that a gateway writes it with, in larger batches, rollups with it.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from rich.console import Console
from rich.table import Table
from tests.fixtures.postgres import SETTINGS, PostgresServer, private_postgres
from tests.fixtures.process import RemudaProcess, environment

from bench import machine
from remuda.app.insights import ledger_of
from remuda.app.rollups import HOOK, kept_s
from remuda.app.settings import InsightSettings, Settings
from remuda.core.clock import SystemClock
from remuda.core.keys import Key, Scope, digest_of
from remuda.core.record import RequestRecord
from remuda.insight.rolling import Roller
from remuda.store import open_store, store_url_in
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.journal_reading import journal_size
from remuda.store.keys import create_key
from remuda.store.ledger import Ledger
from remuda.testing.upstream import FakeUpstream

RECORDS = 10_000_000
DAYS, MODELS, REPLICAS, KEYS, USERS = 30, 20, 50, 50, 500
RATE = 200
ASKED = 20
BATCH = 20_000
BARS_MS = {24: 300.0, 720: 1000.0}
ENDPOINTS = (
    "/api/analytics/performance?{span}",
    "/api/model-performance?{span}",
    "/api/analytics/timeseries?{span}",
    "/api/analytics/timeseries?{span}&group_by=model",
    "/api/analytics/timeseries?{span}&group_by=replica",
    "/api/analytics/timeseries?{span}&group_by=key",
    "/api/analytics/timeseries?{span}&group_by=user",
    "/api/analytics/timeseries?{span}&group_by=user&bucket={fine}",
    "/api/analytics/values?{span}",
    "/api/cost-analysis?{span}",
    "/api/logs?{span}",
    "/api/logs?{span}&model=model-3&status=error",
)
FINE = {24: "5m", 720: "3h"}
POSTGRES = {**SETTINGS, "shared_buffers": "128MB", "autovacuum": "on"}


def records(count: int, start: float, span_s: float, seed: int = 1) -> Iterator[RequestRecord]:
    """Requests in the order of their time, more of them by day, of some models and users more than of others."""
    chance = random.Random(seed)
    uniform, normal = chance.random, chance.lognormvariate
    moment, step = start, span_s / count
    for number in range(count):
        moment += step * (0.5 + uniform())
        model, user = int(MODELS * uniform() ** 2), int(USERS * uniform() ** 2)
        is_good, is_streamed = uniform() > 0.03, uniform() < 0.5
        duration_s = normal(0.5, 0.8)
        tokens = int(duration_s * 30) if is_good else 0
        yield RequestRecord(
            f"req_{number}", moment, "openai", "chat", f"model-{model}", f"node-{int(REPLICAS * uniform())}/m",
            key(int(KEYS * uniform())), 200 if is_good else 502, "" if is_good else "upstream_failed",
            is_streamed, 1, uniform() * 0.01, duration_s / 4 if is_streamed and is_good else None, duration_s, 200,
            tokens, 50, False, 900, 4000, "stop" if is_good else "", f"user-{user}", cost_nano=tokens * 30_000,
        )  # fmt: skip


async def fill(url: str, count: int, tell: Callable[[str], None]) -> None:
    """Write the journal, as if it had been written all those days."""
    store = await open_store(url, ledger_of(Settings(), SystemClock()))
    now = time.time()
    # A gateway that has been running: spans of the past are rolled up, and what is recorded of them is late.
    await Roller(store, SystemClock(), kept_s(InsightSettings())).look(is_pruning=True)
    for each in map(key, range(KEYS)):
        scopes = frozenset({Scope.INFERENCE, Scope.READ, Scope.MANAGE})
        await create_key(store, Key(each, each, digest_of(each.encode()), each[:12], scopes, now))
    coming = records(count, now - DAYS * 86_400, DAYS * 86_400)
    began, number = time.perf_counter(), 0
    gc.disable()  # millions of small values, and no cycle among them
    while batch := [record for record, _ in zip(coming, range(BATCH), strict=False)]:
        number += 1
        await write_batches(store, [Batch("bench", number, batch)], now, is_durable=False)
        if number % 25 == 0:
            tell(f"{number * BATCH:,} records after {time.perf_counter() - began:.0f} s")
    gc.enable()
    tell(f"{await journal_size(store):,} records in {time.perf_counter() - began:.0f} s")
    await store.close()


async def writer_cost(url: str, batch: int, batches: int, *, is_varied: bool, has_rollups: bool) -> tuple[float, float]:
    """Microseconds of this process's CPU for each record, and records a second."""
    full = ledger_of(Settings(), SystemClock())
    ledger = full if has_rollups else Ledger(full.score, tuple(hook for hook in full.hooks if hook is not HOOK))
    store = await open_store(url, ledger)
    made = list(records(batch * batches, time.time() - 3600, 0.25 * batches))
    if not is_varied:
        made = [record._replace(model="m", replica="r", key_id="k", user_id="") for record in made]
    parts = [made[at : at + batch] for at in range(0, len(made), batch)]
    await write_batches(store, [Batch("w", 0, parts[0])], 0.0, is_durable=False)
    cpu, wall = time.process_time(), time.perf_counter()
    for number, part in enumerate(parts, 1):
        await write_batches(store, [Batch("w", number, part)], 0.0, is_durable=False)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    await store.close()
    return cpu / len(made) * 1e6, len(made) / wall


class Load:
    """Requests at a fixed rate, and how long each took."""

    def __init__(self, session: aiohttp.ClientSession, rate: int) -> None:
        self._session = session
        self._rate = rate
        self._chance = random.Random(3)
        self.took_ms: list[float] = []
        self.failed = 0

    async def run(self) -> None:
        """Go on until cancelled."""
        began, sent = time.perf_counter(), 0
        async with asyncio.TaskGroup() as group:
            while True:
                for _ in range(int((time.perf_counter() - began) * self._rate) - sent):
                    sent += 1
                    group.create_task(self._one())
                await asyncio.sleep(0.005)

    async def _one(self) -> None:
        asked = {
            "model": f"model-{self._chance.randrange(MODELS)}",
            "user": f"user-{self._chance.randrange(USERS)}",
            "messages": [{"role": "user", "content": "Hello"}],
        }
        headers = {"Authorization": f"Bearer {key(self._chance.randrange(KEYS))}"}
        began = time.perf_counter()
        async with self._session.post("/v1/chat/completions", json=asked, headers=headers) as answer:
            await answer.read()
            self.failed += answer.status != 200
        self.took_ms.append((time.perf_counter() - began) * 1000)


def key(number: int) -> str:
    """One of the keys that the gateway knows."""
    return f"bench-key-{number:030d}"


@contextlib.asynccontextmanager
async def gateway(url: str, folder: Path) -> AsyncIterator[tuple[psutil.Process, aiohttp.ClientSession]]:
    """A gateway process on the store, with an upstream that answers at once."""
    models = tuple(f"model-{number}" for number in range(MODELS))
    async with FakeUpstream(models=models, slots=None) as upstream:
        values = {**environment(), "REMUDA_DATABASE_URL": url, "REMUDA_SERVER__SHUTDOWN_GRACE_S": "1"}
        process = await asyncio.to_thread(RemudaProcess, folder, ("--upstream", upstream.url), values)
        try:
            async with aiohttp.ClientSession(process.url) as session:
                yield psutil.Process(process.process.pid), session
        finally:
            await asyncio.to_thread(process.stop)


async def ask(session: aiohttp.ClientSession, path: str, times: int) -> list[float] | None:
    """How long each answer takes, in ms; None where there is no such question."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        async with session.get(path, headers={"Authorization": f"Bearer {key(0)}"}) as answer:
            body = await answer.read()
            if answer.status == 404:
                return None
            if answer.status != 200:
                raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
        found.append((time.perf_counter() - began) * 1000)
    return found


async def all_asked(
    process: psutil.Process, session: aiohttp.ClientSession, load: Load, times: int, tell: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """How long each question took, and how much of the gateway's CPU once what requests take is taken off, in ms."""
    await asyncio.sleep(3)
    cpu_s, done = _cpu_s(process), len(load.took_ms)
    await asyncio.sleep(20)
    each_s = (_cpu_s(process) - cpu_s) / (len(load.took_ms) - done)
    tell(f"{each_s * 1e6:.0f} us of CPU for each request, its record included")
    found = {}
    for hours in BARS_MS:
        for path in ENDPOINTS:
            asked = path.format(span=f"hours={hours}", fine=FINE[hours])
            cpu_s, done = _cpu_s(process), len(load.took_ms)
            if took := await ask(session, asked, times):
                cpu_ms = (_cpu_s(process) - cpu_s - (len(load.took_ms) - done) * each_s) / times * 1000
                found[asked] = {"took_ms": took, "cpu_ms": cpu_ms}
                tell(f"{asked}: {statistics.median(took):.0f} ms, at most {max(took):.0f}; {cpu_ms:.0f} ms of CPU")
    return found


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


@contextlib.asynccontextmanager
async def loaded(session: aiohttp.ClientSession) -> AsyncIterator[Load]:
    """Requests all the while."""
    load = Load(session, RATE)
    running = asyncio.get_running_loop().create_task(load.run())
    try:
        yield load
    finally:
        running.cancel()
        await asyncio.wait([running])


async def asking(url: str, folder: Path, times: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """What every question takes while requests are answered, and what that does to them."""
    found: dict[str, Any] = {"questions": {}}
    async with gateway(url, folder) as (process, session):
        for name in ("alone", "beside questions"):
            async with loaded(session) as load:
                await asyncio.sleep(3)
                load.took_ms.clear()
                if name == "alone":
                    await asyncio.sleep(20)
                else:
                    found["questions"] = await all_asked(process, session, load, times, tell)
            found[name] = {"took_ms": sorted(load.took_ms), "failed": load.failed}
    return found


def shown(console: Console, name: str, found: dict[str, Any]) -> bool:
    """Show what was found on one database; whether the bars are kept."""
    table = Table(f"{name}: question", "median ms", "max ms", "CPU ms", "bar")
    is_kept = True
    for path, question in found["questions"].items():
        took = question["took_ms"]
        bar = BARS_MS[720 if "hours=720" in path else 24]
        kept = max(took) < bar
        is_kept &= kept
        table.add_row(
            path,
            f"{statistics.median(took):.0f}",
            f"{max(took):.0f}",
            f"{question['cpu_ms']:.0f}",
            "kept" if kept else "missed",
        )
    console.print(table)
    for what in ("alone", "beside questions"):
        took, failed = found[what]["took_ms"], found[what]["failed"]
        p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
        console.print(f"{len(took)} requests {what}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, {failed} failed")
    return is_kept


def writing(urls: dict[str, Callable[[], str]], pairs: int, note: Callable[[str, float], None]) -> None:
    """The writer's cost, in turns."""
    for _ in range(pairs):
        for name, url in urls.items():
            for batch, batches in ((50, 120), (250, 60), (4096, 5)):
                for is_varied in (False, True):
                    for has_rollups in (False, True):
                        measuring = writer_cost(url(), batch, batches, is_varied=is_varied, has_rollups=has_rollups)
                        cpu_us, rate = asyncio.run(measuring)
                        kind = f"{name}, batches of {batch}, {'of all kinds' if is_varied else 'of one kind'}"
                        which = "with rollups" if has_rollups else "without"
                        note(f"{kind}, {which}: CPU us/record", cpu_us)
                        note(f"{kind}, {which}: records/s", rate)


def main() -> int:
    """Measure, show, and write to bench/out/insight.json; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.insight", description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--on", default="sqlite,postgres")
    parser.add_argument("--only", default="writing,asking")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--times", type=int, default=ASKED)
    parser.add_argument("--at", action="append", default=[], help="URL of a journal that is asked instead of a new one")
    parser.add_argument("--folder", type=Path, help="where the SQLite file lies, gigabytes")
    asked = parser.parse_args()
    console, parts = Console(), asked.only.split(",")
    samples: dict[str, Any] = {"at": datetime.now(UTC).isoformat(), "records": asked.records}
    is_kept = True
    with contextlib.ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="remuda-insight-", dir=asked.folder)))
        places = iter(base / str(number) for number in range(10_000))
        server: PostgresServer | None = None
        urls: dict[str, Callable[[], str]] = {"sqlite": lambda: store_url_in(next(places))}
        if "postgres" in asked.on:
            server = running = stack.enter_context(private_postgres(POSTGRES))
            urls["postgres"] = lambda: running.url(running.new_database())
        urls = {name: urls[name] for name in asked.on.split(",")}
        if "writing" in parts:
            costs: dict[str, list[float]] = samples.setdefault("writing", {})
            writing(urls, asked.pairs, lambda name, value: costs.setdefault(name, []).append(value))
            table = Table("the journal's writer", "median", "least", "most")
            for name, values in costs.items():
                table.add_row(name, *(f"{each:,.1f}" for each in (statistics.median(values), min(values), max(values))))
            console.print(table)
        stores = {name: url() for name, url in urls.items()} if "asking" in parts else {}
        for name, place in ({each.split(":")[0]: each for each in asked.at} or stores).items():
            tell = partial(console.print, f"{name}:")
            if not asked.at:
                asyncio.run(fill(place, asked.records, tell))
                if server is not None and name == "postgres":
                    server.sql("VACUUM ANALYZE", place.split("@/")[1].split("?")[0])  # as autovacuum will have done
            folder = next(places)
            folder.mkdir()
            samples[name] = asyncio.run(asking(place, folder, asked.times, tell))
            is_kept &= shown(console, name, samples[name])
    machine.OUT.mkdir(exist_ok=True)
    (machine.OUT / "insight.json").write_text(json.dumps(samples, indent=1))
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
