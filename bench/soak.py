"""`python -m bench.soak`: many requests and many cancelled streams must leave Remuda's memory where it was.

After a warm-up of the same work, RSS is sampled after every batch; growth is the median of the last quarter of samples
above the median of the first. Ends with 0 if growth is below the bound and no stream is left at the upstream, 1 if not,
and 2 if nothing can be measured here.
"""

import argparse
import json
import statistics
import sys
import time
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from bench import loads, machine, targets
from bench.bars import SUBJECT
from bench.loads import Live, Stage, Unfit

REQUESTS, CANCELLED = 20_000, 2_000
BATCHES = 20
BOUND_MIB = 8.0
"""More than an allocator's moods; a leak of half a KiB a request shows."""
GONE_WITHIN_S = 5.0


def batch(stage: Stage, live: Live, requests: int, cancelled: int) -> None:
    """So many requests, and so many streams that are left in the middle."""
    done = stage.load(live, "req", c=32, t=100, r=0, N=requests)
    if done["ok"] != requests:
        raise Unfit(f"{requests - done['ok']} of {requests} requests failed: {done['err']}")
    left = stage.load(live, "abort", c=cancelled, t=5, n=1000, d=10, R=100, a=400)
    if left["bad"] or not left["chunks"]:
        raise Unfit(f"{left['bad']} of {cancelled} streams failed: {left['err']}")


def growth_mib(samples: list[int]) -> float:
    """What the last quarter lies above the first, in MiB, from samples in KiB."""
    quarter = max(1, len(samples) // 4)
    return (statistics.median(samples[-quarter:]) - statistics.median(samples[:quarter])) / 1024


def soak(stage: Stage, live: Live, console: Console, requests: int, cancelled: int) -> tuple[list[int], int]:
    """RSS in KiB after each batch, and how many streams are left at the upstream in the end."""
    samples: list[int] = []
    for i in range(-BATCHES // 4, BATCHES):  # those below zero warm up
        batch(stage, live, requests // BATCHES, cancelled // BATCHES)
        rss = live.program.rss_kib() if live.program else 0
        console.print(f"{'warm-up' if i < 0 else f'{i + 1} of {BATCHES}'}: {rss / 1024:.1f} MiB", style="dim")
        if i >= 0:
            samples.append(rss)
    end = time.monotonic() + GONE_WITHIN_S
    while (left := stage.mock.stats()["open"]) and time.monotonic() < end:
        time.sleep(0.1)
    return samples, left


def main() -> int:
    """Runs it and prints what came of it."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Looks for leaks.")
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--cancelled", type=int, default=CANCELLED)
    parser.add_argument("--target-command", help=argparse.SUPPRESS)
    given = parser.parse_args()
    console = Console(stderr=True)
    machine.prepare()
    target = targets.told(given.target_command) if given.target_command else targets.TARGETS[SUBJECT]
    try:
        if gap := target.missing():
            raise machine.Missing(gap)
        with machine.alone(), loads.stage() as stage, stage.running(target) as live:
            samples, left = soak(stage, live, console, given.requests, given.cancelled)
    except (machine.Missing, Unfit) as fault:
        console.print(f"cannot measure: {fault}", style="red", markup=False)
        return 2
    growth = growth_mib(samples)
    kept = growth < BOUND_MIB and not left
    table = Table(title="Soak", title_justify="left")
    for column in ("requests", "cancelled streams", "RSS MiB, first to last", "growth", "bound", "streams left", ""):
        table.add_column(column)
    first, last = samples[0] / 1024, samples[-1] / 1024
    told = [
        f"{given.requests:,}",
        f"{given.cancelled:,}",
        f"{first:.1f} to {last:.1f}",
        f"{growth:+.2f} MiB",
        f"< {BOUND_MIB:g} MiB",
    ]
    table.add_row(*told, str(left), "[green]kept[/]" if kept else "[red]missed[/]")
    Console(width=max(120, Console().width)).print(table)
    machine.OUT.mkdir(parents=True, exist_ok=True)
    record = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.facts(),
        "requests": given.requests,
        "cancelled": given.cancelled,
        "rss_kib": samples,
        "growth_mib": growth,
        "bound_mib": BOUND_MIB,
        "streams_left": left,
    }
    (machine.OUT / "soak.json").write_text(json.dumps(record, indent=1))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
