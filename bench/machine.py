"""The machine: its tools and cores, the programs started on it, and what the kernel tells of them."""

import contextlib
import ctypes
import fcntl
import os
import platform
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil
from tools.compiled import compiled_into

Command = Sequence[str | Path]

HERE = Path(__file__).parent
BUILD = HERE / "build"
OUT = HERE / "out"
TICK = os.sysconf("SC_CLK_TCK")
FIRST_PORT = 18200
"""Ports are taken from here on: below those that the kernel gives to outgoing connections."""

DEBIAN = {"cc": "gcc libc6-dev", "nginx": "nginx-light", "wrk": "wrk"}
"""Which Debian packages hold the tools."""


class Missing(Exception):
    """A tool without which nothing can be measured is not there."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core each side runs on; None where there is only one, and nothing is pinned."""

    proxy: int | None
    load: int | None


def cores() -> Cores:
    """The first usable core for load and mock, the second for the proxy."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(proxy=usable[1], load=usable[0]) if len(usable) > 1 else Cores(None, None)


def tool(name: str) -> str | None:
    """The path of a tool, also where only root's PATH would find it."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def what_to_install(name: str) -> str:
    """One line that tells how to get a tool."""
    return f"{name} is not installed (Debian: apt-get install {DEBIAN[name]})"


def build(name: str) -> Path:
    """Compiles `src/NAME.c` if that has changed; Missing where there is no compiler."""
    source, program = HERE / "src" / f"{name}.c", BUILD / name
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    compiler = tool("cc")
    if compiler is None:
        raise Missing(what_to_install("cc"))
    BUILD.mkdir(exist_ok=True)
    done = subprocess.run(
        [compiler, "-O2", "-Wall", "-o", program, source], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Missing(f"{source.name} does not compile here:\n{done.stderr}")
    return program


def compile_into(folder: Path) -> None:
    """Has Remuda there as its wheels have it; Missing where there is no compiler, or it does not compile."""
    if tool("cc") is None:
        raise Missing(what_to_install("cc"))
    try:
        compiled_into(folder)
    except subprocess.CalledProcessError as error:
        raise Missing("Remuda does not compile here") from error


def free_ports(n: int) -> list[int]:
    """`n` ports of the loopback on which nothing listens."""
    found: list[int] = []
    for port in range(FIRST_PORT, FIRST_PORT + 4000):
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == n:
            return found
    raise Missing("no free ports")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One benchmark on this machine at a time: they share cores."""
    with open(Path(tempfile.gettempdir()) / "remuda-bench.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another benchmark is running: waiting for it to end", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def prepare() -> None:
    """Lets this process and those it starts open many sockets, and turns a request to end into an orderly end."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))


class Program:
    """A program on a core of its own with all its children; leaving ends them, and so does the end of this process."""

    def __init__(self, command: Command, *, core: int | None, folder: Path, env: dict[str, str] | None = None) -> None:
        self._log = folder / f"{Path(command[0]).name}-{time.monotonic_ns()}.log"
        library = ctypes.CDLL(None)

        def settle() -> None:
            library.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
            if core is not None:
                os.sched_setaffinity(0, {core})

        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                cwd=folder,
                env=os.environ | (env or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=settle,  # safe: this process has one thread
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def said(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(errors="replace")[-600:].strip()

    def pids(self) -> list[int]:
        """It and all that descend from it."""
        children: dict[int, list[int]] = {}
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            with contextlib.suppress(OSError):
                children.setdefault(int(_stat(pid)[1]), []).append(pid)
        found = [self._process.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def cpu_s(self) -> float:
        """User and system time of it and all its children so far, those that have ended included."""
        ticks = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                ticks += sum(int(field) for field in _stat(pid)[11:15])
        return ticks / TICK

    def pss_kib(self) -> int:
        """Its memory, what is shared counted in proportion."""
        return self._memory("Pss:")

    def own_kib(self) -> int:
        """Its memory but for files that are mapped: these are shared with whatever other programs come and go, so that
        only this tells how much has been added."""
        return self._memory("Anonymous:")

    def rss_kib(self) -> int:
        """Its memory, what is shared counted in full for each process."""
        return self._memory("Rss:")

    def _memory(self, word: str) -> int:
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as rollup:
                total += sum(int(line.split()[1]) for line in rollup if line.startswith(word))
        return total

    def stop(self) -> None:
        """Ends it and all that descend from it: asked first, then not."""
        pids = self.pids()
        family = [found for pid in pids[1:] if (found := _process(pid)) is not None]
        for how, patience_s in ((signal.SIGTERM, 8), (signal.SIGKILL, 5)):
            if self._process.poll() is not None and how is signal.SIGTERM:
                break
            for pid in reversed(pids):
                with contextlib.suppress(OSError):
                    os.kill(pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
                break
        # Its children are not ours to wait for: whoever adopts them does, and takes its time.
        _, left = psutil.wait_procs(family, timeout=5)
        for each in left:
            with contextlib.suppress(psutil.Error):
                each.kill()


def _process(pid: int) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid)
    return None


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: [1] is the parent, [11:15] CPU time, own and of children."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()


def steal_s() -> float:
    """CPU time that the hypervisor took from this machine so far."""
    with open("/proc/stat") as file:
        return int(file.readline().split()[8]) / TICK


def facts() -> dict[str, str | int | float]:
    """What a reader needs to know of the machine."""
    with open("/proc/cpuinfo") as file:
        cpu = next(
            (line.partition(":")[2].strip() for line in file if line.startswith("model name")), platform.machine()
        )
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": _commit(),
        "load_average": os.getloadavg()[0],
    }


def _commit() -> str:
    git = ["git", "-C", str(HERE), "describe", "--always", "--dirty"]
    with contextlib.suppress(OSError):
        return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return ""
