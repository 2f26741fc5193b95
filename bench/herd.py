"""`python -m bench.herd`: what a herd costs and what it gains.

- `policies`: CPU of a request by each routing policy, beside the default one.
- `crowd`: the bars with 50 nodes of 20 models each registered and 1,000 requests waiting for another model.
- `affinity`: conversations on two real llama.cpp replicas, by prefix affinity and by least active.
- `failover`: from the death of a server to the next token, of answers that had not begun and of streams that had.

The first two are taken in turns like those of `python -m bench`, and only their ratios mean anything.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import affinity, failover, loads, machine, measures, targets
from bench.loads import Live, Stage, Unfit
from bench.measures import DELAY_MS, Figures, Pace
from bench.targets import REMUDA, TARGETS, Place, Target

POLICIES = ("least_active", "round_robin", "weighted", "lowest_latency", "prefix_affinity")
NODES, MODELS, WAITING = 50, 20, 1000
NAMES = ("policies", "crowd", "affinity", "failover")


@dataclass(frozen=True, slots=True)
class Report:
    """What one part of the run has to say."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    samples: dict[str, Any]


def serving(name: str, settings: Callable[[Place], dict[str, Any]]) -> Target:
    """Remuda with settings of its own."""

    def command(place: Place) -> machine.Command:
        file = place.folder / "remuda.yaml"
        file.write_text(json.dumps(settings(place)))  # JSON is YAML
        where: machine.Command = ["--host", "127.0.0.1", "--port", str(place.port), "--data", place.folder / "data"]
        return [REMUDA, "serve", "--config", file, *where]

    return Target(name, command, env=TARGETS["remuda"].env)


def by_policy(policy: str) -> Target:
    """Remuda with two servers and this policy."""
    return serving(
        policy, lambda place: {"upstreams": [{"url": f"{url}/v1"} for url in place.urls], "routing": {"policy": policy}}
    )


def _crowd(place: Place) -> dict[str, Any]:
    models = ["mock", *(f"model-{number}" for number in range(1, MODELS))]
    nodes = [{"url": f"http://127.0.0.1:{port}/v1", "models": models} for port in place.upstreams[:NODES]]
    busy = {"url": f"http://127.0.0.1:{place.upstreams[NODES]}/v1", "models": ["waited-for"], "slots": 1}
    return {"upstreams": [*nodes, busy], "routing": {"queue_timeout_s": 3600}}


CROWD = serving("remuda, the herd", _crowd)


def policies(stage: Stage, pace: Pace, console: Console) -> Report:
    """CPU of a request by each policy, in turns."""
    chosen = [by_policy(policy) for policy in POLICIES]
    samples = _in_turns(stage, chosen, pace, console, lambda live: measures.request(stage, live, pace))
    rows = [_beside(name, samples, POLICIES[0], ("request_us_32", "request_us_256")) for name in POLICIES]
    title = f"Policies: CPU µs per request, two servers, and times {POLICIES[0]}"
    return Report(title, ("", "32 connections", "256 connections"), rows, samples)


def crowd(stage: Stage, pace: Pace, console: Console) -> Report:
    """The figures of the bars, with two servers and with the whole herd and its queue."""
    waiting: list[subprocess.Popen[str]] = []

    def measured(live: Live) -> Figures:
        if live.target is CROWD and not waiting:
            # One stream that takes longer than the run holds the only slot; the others wait for it until we are done.
            seconds, tokens = 1, 99_999
            load = stage.start_load(live, "stream", c=WAITING, t=seconds, n=tokens, d=DELAY_MS * 5, M="waited-for")
            waiting.append(load)
            loads.await_true(lambda: _queued(live) >= WAITING - 1, live, 30)
        figures = measures.request(stage, live, pace) | measures.chunk(stage, live, pace)
        if live.target is CROWD:
            figures["waiting"] = _queued(live)
        return figures

    try:
        chosen = [TARGETS["nginx"], TARGETS["remuda"], CROWD]
        samples = _in_turns(stage, chosen, pace, console, measured)
    finally:
        for load in waiting:
            load.kill()
            load.wait()
    figures = ("request_us_32", "chunk_us_200", "chunk_us_1000")
    rows = [_beside(target.name, samples, "nginx", figures) for target in chosen]
    waited = min(samples[CROWD.name]["waiting"], default=0)
    title = f"{NODES} nodes of {MODELS} models, {waited:.0f} requests waiting: CPU in µs, and times nginx"
    return Report(title, ("", "request, 32 connections", "chunk, 200 streams", "chunk, 1,000 streams"), rows, samples)


def _queued(live: Live) -> float:
    return loads.metric(live, "remuda_queue_depth")


def _in_turns(
    stage: Stage, chosen: list[Target], pace: Pace, console: Console, measure: Callable[[Live], Figures]
) -> dict[str, dict[str, list[float]]]:
    samples: dict[str, dict[str, list[float]]] = {target.name: {} for target in chosen}
    with stage.all_running(chosen) as lives:
        for live in lives:
            measures.warm(stage, live)
        for i in range(pace.pairs):
            turn = i % len(lives)
            for live in lives[turn:] + lives[:turn]:
                console.print(f"{live.target.name}: round {i + 1} of {pace.pairs}", style="dim", markup=False)
                for figure, value in measure(live).items():
                    samples[live.target.name].setdefault(figure, []).append(value)
    return samples


def _beside(
    name: str, samples: dict[str, dict[str, list[float]]], other: str, figures: tuple[str, ...]
) -> tuple[str, ...]:
    cells = [name]
    for figure in figures:
        own, others = samples[name].get(figure, []), samples[other].get(figure, [])
        ratios = [each / beside for each, beside in zip(own, others, strict=False)]
        cells.append(f"{statistics.median(own):.1f} ({statistics.median(ratios):.2f} times)" if ratios else "")
    return tuple(cells)


def _affinity(stage: Stage, pace: Pace, console: Console) -> Report:
    return Report(affinity.TITLE, affinity.COLUMNS, *affinity.measured(stage, pace.pairs, console))


def _failover(stage: Stage, pace: Pace, console: Console) -> Report:
    return Report(failover.TITLE, failover.COLUMNS, *failover.measured(stage, pace.pairs * 4, console))


PARTS: dict[str, Callable[[Stage, Pace, Console], Report]] = {
    "policies": policies,
    "crowd": crowd,
    "affinity": _affinity,
    "failover": _failover,
}


def main() -> int:
    """Exit codes: 0 measured, 2 some part could not be."""
    given = _arguments()
    console = Console(stderr=True)
    machine.prepare()
    pace = (measures.quick if given.quick else measures.full)(given.pairs or (1 if given.quick else 5))
    reports: dict[str, Report] = {}
    failed = False
    with machine.alone():
        about = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine.facts()}
        try:
            machine.compile_into(targets.COMPILED)
            with loads.stage(ports=NODES + 1) as stage:
                for name in given.only:
                    try:
                        reports[name] = PARTS[name](stage, pace, console)
                        _show(reports[name])  # at once: what fails later must not take it along
                    except Unfit as unfit:
                        failed = True
                        console.print(f"{name}: {unfit}", style="red", markup=False)
        except machine.Missing as gap:
            console.print(f"cannot measure: {gap}", style="red", markup=False)
            return 2
    machine.OUT.mkdir(parents=True, exist_ok=True)
    told = about | {name: {"samples": report.samples} for name, report in reports.items()}
    (machine.OUT / "herd.json").write_text(json.dumps(told, indent=1, ensure_ascii=False))
    return 2 if failed else 0


def _show(report: Report) -> None:
    table = Table(title=report.title, title_justify="left")
    for i, column in enumerate(report.columns):
        table.add_column(column, justify="right" if i else "left")
    for row in report.rows:
        table.add_row(*row)
    Console(width=max(120, Console().width)).print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.herd", description="What a herd costs and what it gains.")
    parser.add_argument("--pairs", type=int, help="rounds (default: 5; with --quick: 1)")
    parser.add_argument("--quick", action="store_true", help="short loads: to look, not to judge by")
    parser.add_argument("--only", type=targets.listed(NAMES), default=list(NAMES), help=f"some of {','.join(NAMES)}")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
