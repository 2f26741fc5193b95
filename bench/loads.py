"""Targets running in front of the mock, and bounded loads on them."""

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import machine
from bench.machine import Command, Program
from bench.targets import Place, Target

QUESTION = "Where does the herd go when the grass is short? " * 7
Result = dict[str, Any]


class Unfit(Exception):
    """A target that does not start, or does not answer as it should: it is left out of the rest of the run."""


@dataclass(slots=True)
class Mock:
    """The upstream that all targets have in common."""

    program: Program
    ports: tuple[int, ...]

    def stats(self) -> dict[str, int]:
        """Its counters: reqs, streams, done, aborted, open, chunks, conns, bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", "/stats")
            counters: dict[str, int] = json.load(connection.getresponse())
            return counters


@dataclass(slots=True)
class Live:
    """A target that runs and answers."""

    target: Target
    program: Program | None
    """None for `direct`."""
    port: int
    ready_s: float

    def cpu_s(self) -> float:
        return self.program.cpu_s() if self.program else 0.0

    def own_kib(self) -> int:
        """As `Program.own_kib`."""
        return self.program.own_kib() if self.program else 0

    def pss_kib(self) -> int:
        return self.program.pss_kib() if self.program else 0


@dataclass(slots=True)
class Stage:
    """Where a run takes place: cores, mock, scratch folder."""

    cores: machine.Cores
    mock: Mock
    folder: Path

    @contextlib.contextmanager
    def running(self, target: Target) -> Iterator[Live]:
        """Starts a target on a fresh folder, waits until it answers, and ends it in the end."""
        if target.command is None:
            yield Live(target, None, self.mock.ports[0], 0.0)
            return
        port, spare = machine.free_ports(2)
        folder = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=self.folder))
        place = Place(port, spare, self.mock.ports, folder)
        started = time.monotonic()
        with Program(target.command(place), core=self.cores.proxy, folder=folder, env=target.env) as program:
            _await_answer(target, program, port)
            yield Live(target, program, port, time.monotonic() - started)

    @contextlib.contextmanager
    def all_running(self, targets: Sequence[Target]) -> Iterator[list[Live]]:
        """Several of them at once."""
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(self.running(target)) for target in targets]

    def load(self, live: Live, mode: str, **options: str | float) -> Result:
        """One run of the generator, with what it cost the target: `cpu_s`, `wall_s`."""
        return _measured(live, lambda: self._finished(self.start_load(live, mode, **options)))

    def start_load(self, live: Live, mode: str, **options: str | float) -> "subprocess.Popen[str]":
        """The same in the background; `finish_load` collects it. Options are those of `src/load.c`."""
        target = live.target
        command = [str(machine.build("load")), "-m", mode, "-P", str(live.port), "-u", target.path, "-M", target.model]
        for header in target.headers:
            command += ["-H", header]
        for option, value in options.items():
            command += [f"-{option}", str(value)]
        return self._generator(command, dict(os.environ))

    def finish_load(self, process: "subprocess.Popen[str]") -> Result:
        """What the generator reported."""
        return self._finished(process)

    def closed_loop(self, live: Live, connections: int, seconds: float) -> Result:
        """As many requests as it will take: by wrk where that is installed, else by our own generator."""
        if machine.tool("wrk") is None:
            return self.load(live, "req", c=connections, t=seconds, r=0)
        body = self.folder / "body.json"
        body.write_text(json.dumps(question(live.target.model)))
        script = str(machine.HERE / "conf" / "wrk.lua")
        url = f"http://127.0.0.1:{live.port}{live.target.path}"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s", "-s", script, url]
        env = os.environ | {"BODY": str(body), "HEADERS": "\n".join(live.target.headers)}
        return _measured(live, lambda: self._finished(self._generator(command, env), marker="JSON "))

    def _generator(self, command: list[str], env: dict[str, str]) -> "subprocess.Popen[str]":
        core = self.cores.load

        def settle() -> None:
            if core is not None:
                os.sched_setaffinity(0, {core})

        return subprocess.Popen(
            command,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=settle,  # safe: this process has one thread
        )

    def _finished(self, process: "subprocess.Popen[str]", marker: str = "") -> Result:
        try:
            said, complained = process.communicate(timeout=170)
        except BaseException:
            process.kill()
            process.wait()
            raise
        line = next((line for line in said.splitlines() if line.startswith(marker or "{")), None)
        if process.returncode or line is None:
            raise Unfit(f"the load ended with {process.returncode}: {complained.strip()[-300:]}")
        result: Result = json.loads(line.removeprefix(marker))
        return result


@contextlib.contextmanager
def stage(ports: int = 2) -> Iterator[Stage]:
    """Builds what is needed, starts the mock on so many ports (2 to 64), and clears everything away in the end."""
    cores = machine.cores()
    program = machine.build("mock")
    machine.build("load")
    folder = Path(tempfile.mkdtemp(prefix="remuda-bench-"))
    try:
        listened = machine.free_ports(ports)
        arguments: Command = [program, *(word for port in listened for word in ("-p", str(port)))]
        with Program(arguments, core=cores.load, folder=folder) as running:
            mock = Mock(running, tuple(listened))
            _await(lambda: mock.stats()["reqs"] == 0, running, 5)
            yield Stage(cores, mock, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def question(model: str) -> dict[str, Any]:
    """The body of every request, about 500 bytes of it."""
    system = {"role": "system", "content": "You are a helpful assistant. Answer briefly."}
    user = {"role": "user", "content": QUESTION}
    return {"model": model, "messages": [system, user], "temperature": 0.7, "max_tokens": 64}


def metric(live: Live, name: str) -> float:
    """The sum of a metric's series, as Remuda tells them."""
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.partition(" ")[0].partition("{")[0] == name)


def await_true(holds: Callable[[], bool], live: Live, within_s: float) -> None:
    """Return once it holds; raises Unfit where it does not in time, or the target ends."""
    assert live.program is not None
    _await(holds, live.program, within_s)


def _measured(live: Live, run: Any) -> Result:
    cpu, steal, started = live.cpu_s(), machine.steal_s(), time.monotonic()
    result: Result = run()
    wall_s = time.monotonic() - started
    return result | {"cpu_s": live.cpu_s() - cpu, "wall_s": wall_s, "steal_s": machine.steal_s() - steal}


def _await_answer(target: Target, program: Program, port: int) -> None:
    body = json.dumps(question(target.model))
    headers = {"Content-Type": "application/json", **dict(header.split(": ", 1) for header in target.headers)}

    def answered() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.closing(connection):
            connection.request("POST", target.path, body, headers)
            response = connection.getresponse()
            return response.status == 200 and b"choices" in response.read()

    _await(answered, program, target.ready_within_s)


def _await(holds: Any, program: Program, within_s: float) -> None:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if program.ended:
            raise Unfit(f"ended at once: {program.said()}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            if holds():
                return
        time.sleep(0.01)
    raise Unfit(f"not ready within {within_s:g} s: {program.said()}")
