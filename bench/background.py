"""`python -m bench.background`: what people notice of a full queue of tasks, and what its watchers take.

- `interactive`: requests that somebody waits for, at a fixed rate (an open loop), on a fake with a fixed delay; their
  p50 and p99 with an empty queue and with one that is never empty, in turns.
- `watchers`: memory of the gateway per open `/stream`, with 1,000 of them on tasks that wait.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console

from bench import machine
from bench.machine import Program
from bench.targets import REMUDA
from remuda.core.task import NewTask, TaskState
from remuda.store import open_store, store_url_in
from remuda.store.tasks import TaskFilter, cancel_task, submit_tasks, task_page

SLOTS = 32
FREE = 16
DELAY_MS = 40
RATE = 100
SECONDS = 8.0
WATCHERS = 1000
QUEUED = 5000
ASK = {"model": "fake", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 1}
BAR = 1.10
BAR_MS = 2.0


def background_task(number: int) -> NewTask:
    """One that takes a slot for as long as a request does."""
    body = json.dumps(ASK, separators=(",", ":")).encode()
    return NewTask(f"task-{number:09d}", f"key-{number % 10}", "tasks", "/v1/chat/completions", "fake", body)


async def interactive_ms(url: str, rate: int, seconds: float) -> list[float]:
    """Latency of each request of an open loop, from the moment at which it was due, in ms."""
    found: list[float] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as http, asyncio.TaskGroup() as tasks:
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def one(due: float) -> None:
            async with http.post("/v1/chat/completions", json=ASK) as answer:
                await answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"answered {answer.status}")
            found.append((loop.time() - due) * 1000)

        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            tasks.create_task(one(due))
    return found


async def fill(data: Path) -> None:
    """Have more tasks wait than are done while it is measured. Before, not meanwhile: it would take from the loop that
    measures."""
    store = await open_store(store_url_in(data))
    first = int(time.time() * 1000) % 10**8 * 10
    for start in range(first, first + QUEUED, 500):
        await submit_tasks(store, [background_task(start + each) for each in range(500)], time.time())
    await store.close()


async def empty(data: Path) -> int:
    """Cancel what still waits; how many that were."""
    store = await open_store(store_url_in(data))
    count = 0
    while page := await task_page(store, TaskFilter(states=[TaskState.QUEUED, TaskState.DELAYED]), 1000):
        count += len(page)
        for each in page:
            await cancel_task(store, each.id, time.time(), 1.0)
    await store.close()
    return count


async def watchers_kib(url: str, data: Path, gateway: Program, count: int) -> float:
    """What each open stream of a waiting task takes of the gateway's memory, in KiB."""
    store = await open_store(store_url_in(data))
    ids = [f"00000000-0000-4000-8000-{number:012d}" for number in range(count)]
    waiting = [background_task(number)._replace(id=id_, model="nobody") for number, id_ in enumerate(ids)]
    await submit_tasks(store, waiting, time.time())
    await store.close()
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(None))
        )

        async def watch(id_: str) -> None:
            answer = await http.get(f"/stream/{id_}")
            stack.callback(answer.close)
            await answer.content.readany()

        await asyncio.gather(*(watch(id_) for id_ in ids[:50]))
        await asyncio.sleep(1.0)
        before = gateway.own_kib()
        for start in range(50, count, 50):
            await asyncio.gather(*(watch(id_) for id_ in ids[start : start + 50]))
        await asyncio.sleep(2.0)
        return (gateway.own_kib() - before) / (count - 50)


async def measured(pairs: int, console: Console) -> dict[str, Any]:
    """All samples."""
    found: dict[str, Any] = {"p50 alone": [], "p99 alone": [], "p50 with tasks": [], "p99 with tasks": [], "done": []}
    with tempfile.TemporaryDirectory(prefix="remuda-background-") as folder:
        data = Path(folder) / "data"
        port, upstream_port = machine.free_ports(2)
        url = f"http://127.0.0.1:{port}"
        fake: machine.Command = [sys.executable, "-m", "remuda.testing.upstream", "--port", str(upstream_port)]
        settings = Path(folder) / "remuda.yaml"
        settings.write_text(
            json.dumps(
                {
                    "upstreams": [{"url": f"http://127.0.0.1:{upstream_port}", "slots": SLOTS}],
                    "tasks": {"free_slots": FREE, "max_waiting": 100_000},
                }
            )
        )
        command: machine.Command = [REMUDA, "serve", "--config", settings, "--port", str(port), "--data", data]
        cores = machine.cores()
        with (
            Program([*fake, "--ttft-ms", str(DELAY_MS), "--tokens", "1"], core=cores.load, folder=Path(folder)),
            Program(command, core=cores.proxy, folder=Path(folder)) as gateway,
        ):
            await _known(url)
            await interactive_ms(url, RATE, 2.0)
            for number in range(pairs):
                alone = await interactive_ms(url, RATE, SECONDS)
                await fill(data)
                beside = await interactive_ms(url, RATE, SECONDS)
                if not await empty(data):
                    raise RuntimeError("the queue has run empty: nothing was measured beside it")
                await asyncio.sleep(1.0)
                for name, values in (("alone", alone), ("with tasks", beside)):
                    values.sort()
                    found[f"p50 {name}"].append(values[len(values) // 2])
                    found[f"p99 {name}"].append(values[int(len(values) * 0.99)])
                console.print(f"round {number + 1}: " + ", ".join(f"{k} {v[-1]:.1f} ms" for k, v in found.items() if v))
            found["watchers KiB"] = [await watchers_kib(url, data, gateway, WATCHERS)]
    return found


async def _known(url: str) -> None:
    async with aiohttp.ClientSession(url) as http:
        for _ in range(300):
            try:
                async with http.post("/v1/chat/completions", json=ASK) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
    raise RuntimeError("the gateway does not answer")


def main() -> int:
    """Measure, show, write to bench/out/background.json; 1 where the bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.background", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    console = Console()
    found = asyncio.run(measured(parser.parse_args().pairs, console))
    out = machine.OUT / "background.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"at": datetime.now(UTC).isoformat(), "samples": found}, indent=1))
    alone, beside = statistics.median(found["p99 alone"]), statistics.median(found["p99 with tasks"])
    is_kept = beside <= max(alone * BAR, alone + BAR_MS)
    console.print(
        f"p99 {alone:.1f} ms alone, {beside:.1f} ms beside a full queue: at most 10 % or 2 ms more is "
        f"{'kept' if is_kept else 'missed'}; an open /stream takes {found['watchers KiB'][0]:.1f} KiB"
    )
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
