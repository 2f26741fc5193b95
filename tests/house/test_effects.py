"""Importing does nothing: whoever imports a module must not thereby start a thread or open a socket."""

import subprocess
import sys

from tests.house.tree import ROOT, modules

EXECUTED_BY_OTHERS = {"__main__", "store.migrations.env"}
"""Scripts, run by Python and by Alembic: they act when they are imported."""

PROGRAM = """
import sys

FORBIDDEN = ("socket.bind", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.fork", "os.posix_spawn",
             "os.system", "_thread.start_new_thread", "sqlite3.connect", "os.mkdir", "os.remove", "os.rename")

def watch(event, arguments):
    if event in FORBIDDEN:
        raise SystemExit(f"importing {current} does {event}{arguments}")
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        raise SystemExit(f"importing {current} writes {arguments[0]}")

current = ""
sys.addaudithook(watch)
for current in sys.argv[1:]:
    __import__(current)
import asyncio, threading
if threading.active_count() > 1:
    raise SystemExit(f"threads are running: {threading.enumerate()}")
"""


def test_importing_every_module_starts_nothing_and_writes_nothing():
    names = [".".join(module.with_suffix("").parts).removesuffix(".__init__") for module in modules()]
    names = [f"remuda.{name}" for name in names if name not in EXECUTED_BY_OTHERS and name != "__init__"]
    done = subprocess.run(
        [sys.executable, "-B", "-c", PROGRAM, *names], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
