"""`python -m bench.chaos`: servers that fail at random for a long time, under the load of all dialects.

Three fakes fail in turns in every way there is; then three real llama.cpp engines are killed (`kill -9`) and started
again; at last the gateway is told to stop under load. All the while each client looks whether it got its own answer,
whole, or an honest error; in the end each request is in the journal once, no slot is held, and memory is where it was.
The plan comes from `--seed`, which is printed. Exit code 0: all of it held; 1: it did not; 2: it could not be run.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from rich.console import Console
from rich.table import Table
from tests.fixtures.chaos import CALM, MODEL, WAYS, Asked, Ending, Load, Step, Way, heal, plan, strike
from tests.fixtures.process import RemudaProcess, remuda_serve
from tests.fixtures.raw import RawAnswer, RawClient, get, post

from bench import machine
from bench.soak import BOUND_MIB, growth_mib
from remuda.engines.tiny import CHAT, CHAT_NAME
from remuda.testing.upstream import FakeUpstream

CLIENTS, SLOTS = 16, 6
KINDS = ("openai", "llama.cpp", "ollama")
LOOK_S, PATIENCE_S = 0.05, 60.0
WARM_UP_ROUNDS = 3
"""Rounds of the plan after which memory counts: by then every path has been taken."""
HEALTH = {
    "probe_every_s": 0.5,
    "probe_again_s": 0.2,
    "breaker_failures": 3,
    "breaker_pause_s": 0.2,
    "breaker_max_pause_s": 0.5,
    "slow_start_s": 0.5,
}


class Broken(Exception):
    """Something did not hold."""


@dataclass
class Served:
    """A gateway process under load."""

    process: RemudaProcess
    port: int
    servers: int
    rss_kib: list[int] = field(default_factory=list)

    def sample(self) -> None:
        """Note how much memory it has."""
        self.rss_kib.append(psutil.Process(self.process.process.pid).memory_info().rss // 1024)

    async def until(self, holds: Callable[[dict[str, float]], bool], what: str) -> None:
        """Wait until the metrics say so."""
        end = time.monotonic() + PATIENCE_S
        while not holds(found := await self._metrics()):
            if time.monotonic() > end:
                raise Broken(f"it did not come about that {what}: {found}")
            await asyncio.sleep(LOOK_S)

    async def are_well(self) -> None:
        """Wait until all servers get requests."""
        await self.until(lambda found: not found["remuda_circuit_open"], "no circuit is open")
        end = time.monotonic() + PATIENCE_S
        while len((await self._told("/api/proxy/state")).json()["active"]) < self.servers:
            if time.monotonic() > end:
                raise Broken("a server that is well stays on standby")
            await asyncio.sleep(LOOK_S)

    async def is_at_rest(self) -> None:
        """Wait until nothing is held."""
        names = ("remuda_slots_in_use", "remuda_requests_in_flight", "remuda_queue_depth")
        await self.until(lambda found: not any(found[name] for name in names), "nothing is held")

    async def say(self, console: Console) -> None:
        """What it says of itself, for whoever looks for what went wrong."""
        for path in ("/api/proxy/state", "/api/proxy/queue", "/api/proxy/active-requests", "/metrics"):
            console.print(path, (await self._told(path)).body.decode(), markup=False)
        console.print(self.process.output[-3000:], markup=False)

    async def _metrics(self) -> dict[str, float]:
        sums = dict.fromkeys(
            ("remuda_circuit_open", "remuda_slots_in_use", "remuda_requests_in_flight", "remuda_queue_depth"), 0.0
        )
        for line in (await self._told("/metrics")).body.decode().splitlines():
            series, _, value = line.rpartition(" ")
            name = series.partition("{")[0]
            if name in sums:
                sums[name] += float(value)
        return sums

    async def _told(self, path: str) -> RawAnswer:
        async with RawClient(self.port) as client:
            client.say(get(path))
            return await client.answer()


def _settings(folder: Path, upstreams: Sequence[dict[str, Any]]) -> Path:
    folder.mkdir()
    file = folder / "remuda.yaml"
    routing = {"retry_budget_percent": 1000}
    file.write_text(json.dumps({"upstreams": upstreams, "health": HEALTH, "routing": routing}))  # JSON is YAML
    return file


@contextlib.asynccontextmanager
async def serving(folder: Path, upstreams: Sequence[dict[str, Any]], console: Console) -> AsyncIterator[Served]:
    """`remuda serve` before these servers, which it knows."""
    file = _settings(folder, upstreams)
    with remuda_serve(folder / "data", "--config", file, REMUDA_SERVER__SHUTDOWN_GRACE_S="60") as process:
        await asyncio.to_thread(process.wait_for, "Ctrl-C ends it")
        url = await asyncio.to_thread(lambda: process.url)
        served = Served(process, urlsplit(url).port or 0, len(upstreams))
        try:
            await served.are_well()
            yield served
        except BaseException:
            with contextlib.suppress(OSError):  # it may have ended
                await served.say(console)
            raise


@dataclass
class Run:
    """What is asked for, and what has been seen."""

    seed: int
    minutes: float
    engine_kills: int
    folder: Path
    console: Console
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    growth_mib: float = 0.0
    rss_kib: list[int] = field(default_factory=list)

    def note(self, part: str, load: Load) -> None:
        """Count how the requests of a part ended, once they have been looked at."""
        counts = self.counts.setdefault(part, {})
        for ending, number in load.counts().items():
            counts[ending] = counts.get(ending, 0) + number

    def say(self, line: str) -> None:
        """Tell how far it is."""
        self.console.print(line, style="dim", markup=False)


async def fakes_fail(run: Run) -> None:
    """Three fakes fail in turns, and at last the gateway is told to stop under load."""
    chance = random.Random(run.seed)
    async with contextlib.AsyncExitStack() as stack:
        fakes = [
            await stack.enter_async_context(FakeUpstream(models=(MODEL,), speaks=kind, slots=SLOTS, **CALM))
            for kind in KINDS
        ]
        deadlines = {"ttft_timeout_s": 2, "silence_timeout_s": 2, "slots": SLOTS}
        upstreams = [
            {"url": fake.root, "name": kind, "kind": kind, **deadlines} for fake, kind in zip(fakes, KINDS, strict=True)
        ]
        served = await stack.enter_async_context(serving(run.folder / "fakes", upstreams, run.console))
        load = Load(served.port, run.seed)
        steps: list[Step] = []
        end = time.monotonic() + run.minutes * 60
        round_number = 0
        async with asyncio.TaskGroup() as group:
            group.create_task(load.clients(CLIENTS))
            while time.monotonic() < end:
                round_number += 1
                for step in plan(chance, len(fakes)):
                    steps.append(step)
                    await _fail(served, load, fakes, step)
                if round_number > WARM_UP_ROUNDS:
                    served.sample()
                run.say(f"round {round_number}: {load.answered:,} requests, {_mib(served)}")
            load.is_over = True
        await served.is_at_rest()
        load.assert_only_to_be_expected(steps)
        run.note("fakes", load)
        run.rss_kib, run.growth_mib = served.rss_kib, growth_mib(served.rss_kib) if served.rss_kib else 0.0
        last = Load(served.port, run.seed, called="last")
        async with asyncio.TaskGroup() as group:
            group.create_task(last.clients(CLIENTS))
            await last.goes_on(500)
            last.is_ending = True
            served.process.signal()
        if code := await asyncio.to_thread(served.process.ended):
            raise Broken(f"told to stop under load, the gateway ended with {code}: {served.process.output[-600:]}")
        run.note("told to stop", last)
        last.asked += load.asked
        last.assert_in_the_journal(run.folder / "fakes" / "data")


async def _fail(served: Served, load: Load, fakes: Sequence[FakeUpstream], step: Step) -> None:
    victims = [fakes[number] for number in step.victims]
    for fake in victims:
        fake.seen.clear()
        await strike(fake, step.calamity)
    await load.goes_on(100 if len(victims) == 1 else 10)
    for fake in victims:
        if step.calamity != "killed":
            await fake.saw(SLOTS, within_s=PATIENCE_S)
        await heal(fake, step.calamity)
    for fake in fakes:
        fake.seen.clear()
    await served.are_well()
    load.step += 1


def _mib(served: Served) -> str:
    return f"{served.rss_kib[-1] / 1024:.1f} MiB" if served.rss_kib else "warming up"


# Real engines


def _first(name: str) -> int:
    return int(name.rpartition("-")[2]) % 5 + 1


def counted(way: Way, name: str) -> str:
    """What the tiny model says to who asks as `name`."""
    first = _first(name)
    return ", ".join(str(number) for number in range(first, first + 7))


def served_ways() -> tuple[Way, ...]:
    """The chats of all dialects, as the tiny model is asked to count."""
    chats = ("/v1/chat/completions", "/v1/messages", "/api/chat")
    return tuple(replace(way, prompt=_greedy(way)) for way in WAYS if way.path in chats)


def _greedy(way: Way) -> Callable[[str], dict[str, Any]]:
    def prompt(name: str) -> dict[str, Any]:
        first = _first(name)
        messages = [{"role": "user", "content": f"Count from {first} to {first + 6}."}]
        fields = {"options": {"temperature": 0}} if way.is_ollamas else {"temperature": 0, "max_tokens": 100}
        return {"messages": messages, **fields}

    return prompt


@dataclass
class Engine:
    """llama.cpp's server in a process of its own, always on the same port."""

    port: int
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Return once it answers."""
        command = [machine.HERE / "llama.py", CHAT, self.port, SLOTS, 512]
        quiet = asyncio.subprocess.DEVNULL
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, *map(str, command), stdin=quiet, stdout=quiet, stderr=quiet
        )
        end = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                async with RawClient(self.port) as client:
                    client.say(get("/health"))
                    if (await client.answer()).status == 200:
                        return
            if self.process.returncode is not None or time.monotonic() > end:
                raise machine.Missing("an engine that starts")
            await asyncio.sleep(LOOK_S)

    async def kill(self) -> None:
        """As by the kernel when memory is short."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


async def engines_fail(run: Run) -> None:
    """Three real engines, one after the other of which is killed under load and started again."""
    chance = random.Random(run.seed)
    async with contextlib.AsyncExitStack() as stack:
        engines = [Engine(port) for port in machine.free_ports(3)]
        for engine in engines:
            stack.push_async_callback(engine.kill)
            await engine.start()
        upstreams = [{"url": f"http://127.0.0.1:{each.port}", "kind": "llama.cpp"} for each in engines]
        served = await stack.enter_async_context(serving(run.folder / "engines", upstreams, run.console))
        load = Load(served.port, run.seed, served_ways(), CHAT_NAME, counted)
        await _asked_once(served, load)
        steps: list[Step] = []
        async with asyncio.TaskGroup() as group:
            group.create_task(load.clients(CLIENTS))
            for number in range(run.engine_kills):
                victim = chance.randrange(len(engines))
                steps.append(Step((victim,), "killed"))
                await engines[victim].kill()
                await load.goes_on(50)
                await engines[victim].start()
                await served.are_well()
                load.step += 1
                run.say(f"kill {number + 1} of {run.engine_kills}: {load.answered:,} requests")
            load.is_over = True
        await served.is_at_rest()
        load.assert_only_to_be_expected(steps)
        run.note("engines", load)
        await asyncio.to_thread(served.process.stop)
        load.assert_in_the_journal(run.folder / "engines" / "data")


async def _asked_once(served: Served, load: Load) -> None:
    """The model has to know its answers when all is well."""
    for number in range(5):
        way, name = load.ways[0], f"x-{number}"
        body = json.dumps({**way.prompt(name), "model": CHAT_NAME}).encode()
        async with RawClient(served.port) as client:
            client.say(post(body, f"X-Request-ID: {name}", path=way.path))
            said = way.text((await client.answer()).json())
        if said != counted(way, name):
            raise machine.Missing(f"a model that can count: {said!r}")
        load.asked.append(Asked(name, is_streamed=False, began=0, ending=Ending.WHOLE, status=200))


async def everything(run: Run) -> None:
    """One part after the other."""
    if run.minutes:
        await fakes_fail(run)
    if run.engine_kills:
        await engines_fail(run)


def main() -> int:
    """Runs it and prints what came of it."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description="Fails servers under load.")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long fakes fail (default: 10); 0: not at all")
    parser.add_argument("--engine-kills", type=int, default=20, help="how often an engine is killed (default: 20)")
    parser.add_argument("--seed", type=int, default=None, help="what the plan is drawn from (default: the time)")
    given = parser.parse_args()
    console = Console(stderr=True)
    machine.prepare()
    seed = int(time.time()) if given.seed is None else given.seed
    console.print(f"seed {seed}", markup=False)
    with tempfile.TemporaryDirectory(prefix="remuda-chaos") as folder, machine.alone():
        run = Run(seed, given.minutes, given.engine_kills, Path(folder), console)
        try:
            asyncio.run(everything(run))
        except machine.Missing as gap:
            console.print(f"cannot run: {gap}", style="red", markup=False)
            return 2
        except (AssertionError, Broken, OSError, TimeoutError, ExceptionGroup):
            traceback.print_exc()
            console.print(f"with seed {seed} it did not hold", style="red", markup=False)
            return 1
    is_flat = run.growth_mib < BOUND_MIB
    show(run, is_flat=is_flat)
    return 0 if is_flat else 1


def show(run: Run, *, is_flat: bool) -> None:
    """The table, and the file."""
    table = Table("part", *Ending, title=f"Chaos, seed {run.seed}", title_justify="left")
    for part, counts in run.counts.items():
        table.add_row(part, *(f"{counts.get(ending, 0):,}" for ending in Ending))
    out = Console(width=max(120, Console().width))
    out.print(table)
    if run.rss_kib:
        first, last = run.rss_kib[0] / 1024, run.rss_kib[-1] / 1024
        told = f"RSS {first:.1f} to {last:.1f} MiB, growth {run.growth_mib:+.2f}, bound {BOUND_MIB:g}"
        out.print(told, "[green]kept[/]" if is_flat else "[red]missed[/]")
    machine.OUT.mkdir(parents=True, exist_ok=True)
    record = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.facts(),
        "seed": run.seed,
        "minutes": run.minutes,
        "engine_kills": run.engine_kills,
        "endings": run.counts,
        "rss_kib": run.rss_kib,
        "growth_mib": run.growth_mib,
        "bound_mib": BOUND_MIB,
    }
    (machine.OUT / "chaos.json").write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    sys.exit(main())
