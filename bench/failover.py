"""From the death of a server to the next token: of a request that waits for its first one, and of a stream."""

import itertools
import os
import signal
import statistics
import time
from functools import partial
from typing import Any

from rich.console import Console

from bench.engines import MODEL, Chat, Server, Streamed, fake, llama, model_file, serving
from bench.loads import Stage, Unfit

TITLE = "Failover: from kill -9 to the next token at the client"
COLUMNS = ("", "times", "p50 ms", "longest ms", "lost")

Rows = list[tuple[str, ...]]


def measured(stage: Stage, times: int, console: Console) -> tuple[Rows, dict[str, Any]]:
    """Both cases, so many times each."""
    samples = {
        "before the first token (a fake server)": [_before(stage, console) for _ in range(times)],
        "in the middle of a stream (llama.cpp)": _in_the_middle(stage, times, console),
    }
    rows: Rows = []
    for name, values in samples.items():
        good = [value for value in values if value is not None]
        told = (f"{statistics.median(good):.1f}", f"{max(good):.1f}") if good else ("", "")
        rows.append((name, str(len(values)), *told, str(len(values) - len(good))))
    return rows, samples


def _before(stage: Stage, console: Console) -> float | None:
    """A server that is still at its prompt is killed; another one has none of that to do."""
    console.print("failover: before the first token", style="dim")
    with fake(stage.folder, ttft_ms=60_000) as slow, fake(stage.folder, ttft_ms=0) as fast:
        upstreams = [{"url": slow.url, "weight": 1000}, {"url": fast.url, "weight": 1}]
        settings = {"upstreams": upstreams, "routing": {"policy": "weighted"}}
        with serving(stage.folder, settings) as gateway:
            chat = Chat(gateway.port, {"model": "fake", "messages": [{"role": "user", "content": "Hi"}]})
            time.sleep(0.2)  # by now it is at the slow one
            killed = time.monotonic()
            _kill(slow)
            for seen in chat.read():
                if seen.arrivals:
                    return (seen.arrivals[0] - killed) * 1e3
    return None


def _in_the_middle(stage: Stage, times: int, console: Console) -> list[float | None]:
    """One of two llama.cpp replicas is killed while it streams."""
    engine = partial(llama, stage.folder, model_file(stage.folder), slots=2, context=2048)
    results: list[float | None] = []
    for number in range(times):
        console.print(f"failover: in the middle, {number + 1} of {times}", style="dim")
        with engine() as one, engine() as two:
            upstreams = [{"url": each.url, "kind": "llama.cpp", "name": str(each.port)} for each in (one, two)]
            with serving(stage.folder, {"upstreams": upstreams}) as gateway:
                results.append(_cut(gateway, {str(each.port): each for each in (one, two)}))
    return results


def _cut(gateway: Server, engines: dict[str, Server]) -> float | None:
    messages = [{"role": "user", "content": "Where does the herd go?"}]
    body = {"model": MODEL, "messages": messages, "max_tokens": 400, "temperature": 0, "ignore_eos": True}
    chat = Chat(gateway.port, body)
    killed, before, seen = 0.0, 0, Streamed()
    for seen in chat.read():
        if not killed and len(seen.arrivals) == 20:
            _kill(engines[seen.replica.partition("/")[0]])
            killed, before = time.monotonic(), len(seen.arrivals)
    if not killed:
        raise Unfit("the stream was over too soon")
    if seen.fault or not seen.is_done:
        return None
    # What had been under way when the server died may still have come: the gap is the longest pause after that.
    arrivals = [killed, *seen.arrivals[before:]]
    return max(later - earlier for earlier, later in itertools.pairwise(arrivals)) * 1e3


def _kill(server: Server) -> None:
    for pid in server.program.pids():
        os.kill(pid, signal.SIGKILL)
