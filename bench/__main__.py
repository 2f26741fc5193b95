"""`python -m bench`: measures Remuda beside nginx and whatever peers are installed."""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial

from rich.console import Console

from bench import bars, loads, machine, measures, peers, report, targets
from bench.bars import SUBJECT, Samples, Verdict
from bench.loads import Live, Stage, Unfit
from bench.measures import FRESH, NAMES, ROUNDS, Figures, Pace
from bench.targets import Target

HELD_BY = {"direct", "nginx", SUBJECT}
"""The peers do not hold so many streams; to show it would only take time. `direct` tells whether the machine does."""


class Run:
    """One run: what is measured, and what has been seen so far."""

    def __init__(self, chosen: list[Target], wanted: set[str], pace: Pace, console: Console) -> None:
        self.samples: Samples = {target.name: {} for target in chosen}
        self.notes: list[str] = []
        self.failed: set[str] = set()
        """Targets that could not be measured in full."""
        self._chosen = chosen
        self._wanted = wanted
        self._pace = pace
        self._console = console

    def everything(self, stage: Stage) -> None:
        """All wanted measures, those in rounds first."""
        if self._wanted & set(ROUNDS):
            self._rounds(stage)
        proxies = [target for target in self._chosen if target.command is not None]
        for name in FRESH:
            if name in self._wanted or (name == "memory" and "abort" in self._wanted):
                for target in self._chosen:
                    if target.name in HELD_BY if name == "held" else target.command is not None:
                        self._fresh(stage, name, target)
        if "startup" in self._wanted:
            for target in proxies:
                self._try(target, "startup", partial(measures.startup, stage, target, self._pace))
        if subject := next((target for target in proxies if target is targets.TARGETS[SUBJECT]), None):
            if "startup" in self._wanted:
                self._try(subject, "remuda --help", lambda: measures.helped(self._pace))
                self._try(subject, "start with the tiny model", lambda: measures.ready_tiny(stage, self._pace))
            if "clone" in self._wanted:
                self._try(subject, "clone", lambda: measures.clone(stage))

    def _rounds(self, stage: Stage) -> None:
        with contextlib.ExitStack() as stack:
            lives = [live for target in self._chosen if (live := self._start(stage, target, stack))]
            for i in range(self._pace.pairs):
                for name in ROUNDS:
                    if name in self._wanted:
                        lives = [live for live in _turned(lives, i) if self._in_round(stage, name, live, i)]

    def _start(self, stage: Stage, target: Target, stack: contextlib.ExitStack) -> Live | None:
        started: list[Live] = []

        def start() -> Figures:
            live = stack.enter_context(stage.running(target))
            measures.warm(stage, live)
            before = live.cpu_s()
            time.sleep(1)
            started.append(live)
            return {"idle_percent": (live.cpu_s() - before) * 100}

        self._try(target, "start", start)
        return started[0] if started else None

    def _in_round(self, stage: Stage, name: str, live: Live, i: int) -> bool:
        if live.program is None and name == "request":
            return True
        what = f"round {i + 1} of {self._pace.pairs}, {name}"
        return self._try(live.target, what, lambda: ROUNDS[name](stage, live, self._pace))

    def _fresh(self, stage: Stage, name: str, target: Target) -> None:
        def fresh() -> Figures:
            with stage.running(target) as live:
                return FRESH[name](stage, live, self._pace)

        self._try(target, name, fresh)

    def _try(self, target: Target, what: str, measure: Callable[[], Figures]) -> bool:
        """Keeps the figures, or a note of why there are none."""
        self._console.print(f"{target.name}: {what}", style="dim", markup=False)
        try:
            figures = measure()
        except Unfit as unfit:
            self.failed.add(target.name)
            self.notes.append(f"{target.name}, {what}: {unfit}")
            self._console.print(f"{target.name}: {what}: {unfit}", style="red", markup=False)
            return False
        for figure, value in figures.items():
            self.samples[target.name].setdefault(figure, []).append(value)
        return True


def _turned(lives: list[Live], i: int) -> list[Live]:
    """Each round begins with another target, so that none always follows the same."""
    start = i % max(1, len(lives))
    return lives[start:] + lives[:start]


def main() -> int:
    """Exit codes: 0 measured, 1 a bar is missed and --strict, 2 nothing can be measured, or Remuda cannot."""
    given = _arguments()
    console = Console(stderr=True)
    machine.prepare()
    with machine.alone():
        notes = peers.install() if given.install_peers else []
        offered = targets.TARGETS | ({SUBJECT: targets.told(given.target_command)} if given.target_command else {})
        chosen, missing = _choice(offered, given.targets)
        pace = (measures.quick if given.quick else measures.full)(given.pairs or (1 if given.quick else 5))
        run = Run(chosen, given.only, pace, console)
        run.notes += notes + missing
        if machine.cores().proxy is None:
            run.notes.append("anything on cores of its own: there is but one, load and proxy share it")
        if machine.tool("wrk") is None:
            run.notes.append(f"requests by wrk: {machine.what_to_install('wrk')}; our own generator took its place")
        about = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine.facts(),
            "quick": given.quick,
        }
        steal = machine.steal_s()
        try:
            with loads.stage() as stage:
                run.everything(stage)
        except machine.Missing as gap:
            console.print(f"cannot measure: {gap}", style="red", markup=False)
            return 2
        about |= {"pairs": pace.pairs, "steal_s": machine.steal_s() - steal}
        report.show(Console(width=max(120, Console().width)), run.samples, run.notes)
        path = machine.OUT / f"{about['at']}.json".replace(":", "")
        for each in (path, machine.OUT / "latest.json"):
            report.write(each, run.samples, run.notes, about)
        console.print(f"written to bench/out/{path.name}", style="dim")
        if run.samples.get(SUBJECT) == {}:
            return 2
        missed = any(judged.verdict in {Verdict.MISSED, Verdict.FAILED} for judged in bars.judge(run.samples))
        return 1 if given.strict and (missed or SUBJECT in run.failed) else 0


def _choice(offered: dict[str, Target], names: Iterable[str]) -> tuple[list[Target], list[str]]:
    """Those of the targets that are here, and a line for each that is not."""
    gaps = {name: offered[name].missing() for name in names}
    return [offered[name] for name, gap in gaps.items() if gap is None], [gap for gap in gaps.values() if gap]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--pairs", type=int, help="rounds (default: 5; with --quick: 1)")
    parser.add_argument("--quick", action="store_true", help="short loads: to look, not to judge by")
    parser.add_argument("--only", type=targets.listed(NAMES), default=set(NAMES), help=f"some of {','.join(NAMES)}")
    parser.add_argument(
        "--targets", type=targets.listed(targets.TARGETS), default=targets.USUAL, help="some of the targets"
    )
    parser.add_argument(
        "--install-peers", action="store_true", help="first installs the peers from PyPI into bench/build"
    )
    parser.add_argument(
        "--strict", action="store_true", help="ends with 1 if a bar is missed, or a measure of Remuda fails"
    )
    parser.add_argument("--target-command", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.only = set(given.only)
    if given.quick:
        given.only -= {"clone"}
    return given


if __name__ == "__main__":
    sys.exit(main())
