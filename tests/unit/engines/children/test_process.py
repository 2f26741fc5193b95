"""Any child: told apart, watched while it loads, and ended. Real engines are in `llamacpp` and `transformers`."""

import asyncio
import sys
from pathlib import Path

import pytest

from remuda.core.clock import SystemClock
from remuda.engines.children.process import ChildLauncher, Command, Listening, cores, environment_of_child
from remuda.engines.launch import LoadFailed, LoadProgress, LocalModel, Stage

_CHILD = """
import http.server, json, socketserver, sys

class Answers(http.server.BaseHTTPRequestHandler):
    address_string = lambda self: "it"
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"total_slots": 3, "default_generation_settings": {"n_ctx": 77}}')

def say(line):
    print(line, flush=True)

if sys.argv[2] == "refuses":
    sys.exit("remuda:failed:it is too large")
payload = {"value": 0.5, "stages": ["weights"], "current": "weights"}
say("cmd_child_to_router:state:" + json.dumps({"state": "loading", "payload": payload}))
if sys.argv[2] == "hangs":
    sys.stdin.read()
server = socketserver.UnixStreamServer(sys.argv[1], Answers)
say("remuda:listening:unix://" + sys.argv[1])
server.serve_forever()
"""


class Scripted(ChildLauncher):
    """Starts the script above."""

    mark = "a"
    word = "serves"

    async def _command(self, model: LocalModel, listening: Listening) -> Command:
        arguments = [sys.executable, "-c", _CHILD, str(listening.socket_path), self.word]
        return Command(arguments, environment_of_child(), address=None)


class Other(Scripted):
    mark = "b"


class Refusing(Scripted):
    word = "refuses"


class Hanging(Scripted):
    word = "hangs"


MODEL = LocalModel("m", Path("m"))


async def test_what_a_child_says_is_taken_in(run_folder: Path) -> None:
    seen: list[LoadProgress] = []
    child = await Scripted(run_folder, SystemClock()).start(MODEL, seen.append)
    try:
        assert [progress.stage for progress in seen] == [Stage.STARTING, Stage.LOADING_WEIGHTS, Stage.READY]
        assert (child.slots, child.context) == (3, 77)
    finally:
        await child.stop()
    assert list(run_folder.iterdir()) == []


async def test_two_kinds_of_children_share_a_folder(run_folder: Path) -> None:
    one = await Scripted(run_folder, SystemClock()).start(MODEL, lambda progress: None)
    other = await Other(run_folder, SystemClock()).start(MODEL, lambda progress: None)
    assert one.address != other.address
    await asyncio.gather(one.stop(), other.stop())


async def test_a_child_that_refuses_says_why(run_folder: Path) -> None:
    with pytest.raises(LoadFailed, match=r"^it is too large$"):
        await Refusing(run_folder, SystemClock()).start(MODEL, lambda progress: None)
    assert list(run_folder.iterdir()) == []


async def test_a_load_that_takes_too_long_is_ended(run_folder: Path) -> None:
    with pytest.raises(LoadFailed, match=r"^the engine was not ready after 0\.5 s$"):
        await Hanging(run_folder, SystemClock(), load_timeout_s=0.5).start(MODEL, lambda progress: None)
    assert list(run_folder.iterdir()) == []


def test_a_child_gets_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REMUDA_DATA_DIR", "HF_TOKEN", "MY_PASSWORD", "DATABASE_URL"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("HOME_TOWN", "x")
    given = environment_of_child()
    assert "HOME_TOWN" in given
    assert not {"REMUDA_DATA_DIR", "HF_TOKEN", "MY_PASSWORD", "DATABASE_URL"} & given.keys()
    assert cores() >= 1
