"""The measures: what is done to a target, and the figures that come of it.

Those in `ROUNDS` are taken in turns: every round takes them once from each target, so that what else the machine does
falls on all alike. Those in `FRESH` start the target anew, so that no earlier load hides anything.
"""

import contextlib
import http.client
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import machine
from bench.loads import Live, Result, Stage, Unfit
from bench.machine import Command, Program
from bench.targets import REMUDA, Target

TOKENS, DELAY_MS = 150, 20
"""A stream of the benchmark: 50 chunks a second for 3 seconds."""

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the loads are."""

    pairs: int
    request_s: float
    stream_s: float
    latency_s: float
    held_streams: int
    held_s: float
    starts: int


def full(pairs: int) -> Pace:
    """What the bars are judged by."""
    return Pace(pairs, request_s=3, stream_s=5, latency_s=3, held_streams=3000, held_s=6, starts=5)


def quick(pairs: int) -> Pace:
    """For a look while working."""
    return Pace(pairs, request_s=1, stream_s=1, latency_s=1, held_streams=3000, held_s=1, starts=2)


def warm(stage: Stage, live: Live) -> None:
    """A little of everything, so that nothing measured is the first of its kind."""
    stage.closed_loop(live, 32, 1)
    stage.load(live, "stream", c=32, t=0.5, n=25, d=DELAY_MS, R=100)


def request(stage: Stage, live: Live, pace: Pace) -> Figures:
    """CPU of a request that is not streamed, at 32 and 256 connections in a closed loop."""
    figures: Figures = {}
    for connections in (32, 256):
        result = stage.closed_loop(live, connections, pace.request_s)
        _demand(result, "ok")
        figures[f"request_us_{connections}"] = result["cpu_s"] / result["ok"] * 1e6
        figures[f"requests_per_s_{connections}"] = result["rps"]
    return figures


def chunk(stage: Stage, live: Live, pace: Pace) -> Figures:
    """CPU of a relayed chunk, first-token and one-way latency, at 200 and at 1,000 streams of 50 chunks a second."""
    figures: Figures = {}
    for streams in (200, 1000):
        result = stage.load(live, "stream", c=streams, t=pace.stream_s, n=TOKENS, d=DELAY_MS)
        _demand(result, "chunks")
        figures[f"chunk_us_{streams}"] = result["cpu_s"] / result["chunks"] * 1e6
        figures[f"lost_{streams}"] = result["lost"]
        for name, key in (("ttft", "ttft_us"), ("oneway", "oneway_us")):
            figures |= {f"{name}_{p}_us_{streams}": result[key][p] for p in ("p50", "p99")}
    return figures


def latency(stage: Stage, live: Live, pace: Pace) -> Figures:
    """Latency at 1,000 requests a second, counted from the instant at which each was due."""
    result = stage.load(live, "req", c=256, t=pace.latency_s, r=1000)
    _demand(result, "ok")
    return {f"latency_{p}_us": result["lat_us"][p] for p in ("p50", "p99")}


def held(stage: Stage, live: Live, pace: Pace) -> Figures:
    """Whether thousands of streams are held: none refused or lost, none late, none longer than it should be."""
    cpu_s, started, at_once = live.cpu_s(), time.monotonic(), 0
    load = stage.start_load(live, "stream", c=pace.held_streams, t=pace.held_s, n=TOKENS, d=DELAY_MS, R=1500)
    while load.poll() is None:
        at_once = max(at_once, stage.mock.stats()["open"])
        time.sleep(0.1)
    result, cpu_s, wall_s = stage.finish_load(load), live.cpu_s() - cpu_s, time.monotonic() - started
    if not result["chunks"]:
        raise Unfit(f"no stream was held: {result['err']}")
    return {
        "held_streams": at_once,
        "held_lost": result["lost"] + result["bad"] + result["no_done"],
        "held_oneway_p99_ms": result["oneway_us"]["p99"] / 1000,
        "held_ms": result["lat_us"]["p50"] / 1000,
        "held_longer_percent": (result["lat_us"]["p50"] / (TOKENS * DELAY_MS * 1000) - 1) * 100,
        "held_ttft_p99_ms": result["ttft_us"]["p99"] / 1000,
        "held_chunk_us": cpu_s / result["chunks"] * 1e6,
        "held_core_percent": cpu_s / wall_s * 100,
    }


def memory(stage: Stage, live: Live, pace: Pace) -> Figures:
    """Memory of 1,000 open streams, and whether the upstream is free of them 2 seconds after all clients have left."""
    del pace
    stage.load(live, "req", c=4, t=1, r=0, N=20)
    stage.load(live, "stream", c=4, t=1, n=5, d=DELAY_MS, R=0, N=8)
    time.sleep(3)  # what is done behind a target's first requests takes memory, too, and once
    rest, before = live.pss_kib(), live.own_kib()
    load = stage.start_load(live, "abort", c=1000, t=8, R=3000, n=1000, d=1000, a=7000)
    time.sleep(6)
    there, after = stage.mock.stats()["open"], live.own_kib()
    stage.finish_load(load)
    time.sleep(2)
    return {
        "base_mib": rest / 1024,
        "stream_kib": (after - before) / 1000,
        "abort_opened": there,
        "abort_left_after_2s": stage.mock.stats()["open"],
    }


def slow(stage: Stage, live: Live, pace: Pace) -> Figures:
    """What eight clients cost that ask for 20 MB each and read nothing for 4 seconds."""
    del pace
    before, pulled = live.own_kib(), stage.mock.stats()["bytes"]
    load = stage.start_load(live, "slow", c=8, t=1, R=0, n=99999, d=0, a=4000)
    time.sleep(3.5)
    growth, pulled = live.own_kib() - before, stage.mock.stats()["bytes"] - pulled
    result = stage.finish_load(load)
    return {
        "slow_growth_mib": growth / 1024,
        "slow_pulled_mb": pulled / 1e6,
        "slow_lost": result["lost"] + result["bad"],
    }


def startup(stage: Stage, target: Target, pace: Pace) -> Figures:
    """Seconds from the start of the program to its first answer."""
    times = []
    for _ in range(pace.starts):
        with stage.running(target) as live:
            times.append(live.ready_s)
    return {"ready_s": statistics.median(times)}


def helped(pace: Pace) -> Figures:
    """Seconds until `remuda --help` has ended."""
    return {"help_s": statistics.median(_timed([str(REMUDA), "--help"]) for _ in range(pace.starts))}


def ready_tiny(stage: Stage, pace: Pace) -> Figures:
    """Seconds until `remuda serve` with the shipped model is ready."""
    return {"ready_tiny_s": statistics.median(_ready_tiny(stage) for _ in range(pace.starts))}


def clone(stage: Stage) -> Figures:
    """Seconds from `git clone` of this very commit over `make run` to ready, with whatever the package cache holds."""
    folder = Path(tempfile.mkdtemp(prefix="clone-", dir=stage.folder))
    started = time.monotonic()
    source = str(machine.HERE.parent)
    done = subprocess.run(
        ["git", "clone", "--quiet", source, str(folder / "remuda")], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Unfit(done.stderr.strip()[-300:])
    (port,) = machine.free_ports(1)
    command: Command = ["make", "-C", folder / "remuda", "run", f"ARGS=--port {port} --data {folder / 'data'}"]
    with Program(command, core=None, folder=folder) as program:
        _await_ready(program, port, 600)
    return {"clone_s": time.monotonic() - started}


def _ready_tiny(stage: Stage) -> float:
    (port,) = machine.free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="tiny-", dir=stage.folder))
    started = time.monotonic()
    command: Command = [REMUDA, "serve", "--port", str(port), "--data", folder / "data"]
    with Program(command, core=None, folder=folder) as program:
        _await_ready(program, port, 30)
        return time.monotonic() - started


def _await_ready(program: Program, port: int, within_s: float) -> None:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if program.ended:
            raise Unfit(f"ended at once: {program.said()}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.02)
    raise Unfit(f"not ready within {within_s:g} s: {program.said()}")


def _timed(command: list[str]) -> float:
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unfit(f"{' '.join(command[1:])} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return time.monotonic() - started


def _demand(result: Result, count: str) -> None:
    """A figure per request means nothing if requests fail."""
    if not result[count] or result["bad"] > result["ok"] / 100:
        raise Unfit(f"{result['bad']} of {result['bad'] + result['ok']} failed: {json.dumps(result.get('err', ''))}")


Measure = Callable[[Stage, Live, Pace], Figures]

ROUNDS: dict[str, Measure] = {"request": request, "chunk": chunk, "latency": latency}
FRESH: dict[str, Measure] = {"held": held, "memory": memory, "slow": slow}
NAMES = (*ROUNDS, *FRESH, "abort", "startup", "clone")
"""What `--only` knows; `abort` is told by the same load as `memory`."""
