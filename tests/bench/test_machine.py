"""Programs are started on their core, read from /proc and ended with all their children."""

import os
import sys
from pathlib import Path

import pytest
from bench.machine import Program

from bench import machine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benchmark reads /proc")

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
sum(range(5_000_000))
open("ready.part", "w").close(); __import__("os").rename("ready.part", "ready")
time.sleep(60)
"""


def await_ready(folder: Path, program: Program) -> None:
    while not (folder / "ready").exists():
        assert not program.ended, program.said()
        os.sched_yield()


def test_a_program_is_seen_with_its_children_and_ended_with_them(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    with Program([sys.executable, "-c", PARENT], core=core, folder=tmp_path) as program:
        await_ready(tmp_path, program)
        pids = program.pids()
        assert len(pids) == 2
        assert os.sched_getaffinity(pids[0]) == {core}
        assert program.cpu_s() > 0
        assert 0 < program.pss_kib() <= program.rss_kib()
        assert 0 < program.own_kib() < program.rss_kib()
    assert program.ended
    assert not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_program_said_is_told(tmp_path: Path) -> None:
    with Program([sys.executable, "-c", "print('so it goes')"], core=None, folder=tmp_path) as program:
        while not program.ended:
            os.sched_yield()
        assert program.said() == "so it goes"


def test_ports_are_free_and_not_the_same() -> None:
    ports = machine.free_ports(3)
    assert len(set(ports)) == 3
    assert all(port >= machine.FIRST_PORT for port in ports)


def test_a_missing_tool_names_its_package() -> None:
    assert machine.what_to_install("nginx") == "nginx is not installed (Debian: apt-get install nginx-light)"
    assert machine.tool("no-such-tool-anywhere") is None
