"""Child processes of the real engine: ready, told apart, ended, and gone with their parent."""

import asyncio
import os
import signal
import stat
import sys
from pathlib import Path

import aiohttp
import pytest

from remuda.core.address import Address
from remuda.core.clock import SystemClock
from remuda.engines.launch import LoadFailed, LoadProgress, LocalModel, Stage
from remuda.engines.llamacpp.process import MAX_SOCKET_PATH_BYTES, Child, XllamaLauncher
from remuda.engines.llamacpp.props import properties_of
from remuda.engines.tiny import CHAT
from tests.random_model import write_random_model
from tests.unit.engines.client import is_alive, until

pytestmark = [pytest.mark.engine]


async def test_loads_with_progress_and_tells_slots_and_context(run_folder: Path, chat_model: LocalModel) -> None:
    seen: list[LoadProgress] = []
    child = await XllamaLauncher(run_folder, SystemClock()).start(chat_model, seen.append)
    try:
        assert seen[0].stage is Stage.STARTING
        assert seen[-1] == LoadProgress(Stage.READY, 100)
        assert any(progress.stage is Stage.LOADING_WEIGHTS for progress in seen)
        assert [progress.percent for progress in seen] == sorted(progress.percent for progress in seen)
        assert (child.slots, child.context) == (2, 1024)
        assert child.address.socket_path is not None
        assert child.api_key is None
        assert stat.S_IMODE(run_folder.stat().st_mode) == 0o700
    finally:
        await child.stop()
    assert not Path(child.address.socket_path).exists()
    assert await child.ended() == "the engine was ended by signal 15"


@pytest.mark.parametrize("by", ["wish", "long path"])
async def test_listens_on_loopback_with_a_key_where_it_must(run_folder: Path, chat_model: LocalModel, by: str) -> None:
    folder = run_folder / ("x" * MAX_SOCKET_PATH_BYTES) if by == "long path" else run_folder
    launcher = XllamaLauncher(folder, SystemClock(), prefer_tcp=by == "wish")
    child = await launcher.start(chat_model, lambda progress: None)
    try:
        assert child.address.socket_path is None
        assert child.address.host == "127.0.0.1"
        assert child.api_key
        assert await properties_of(child.address, child.api_key) is not None
        assert await properties_of(child.address, "wrong") is None
        arguments = Path(f"/proc/{child.pid}/cmdline")
        if arguments.exists():
            assert child.api_key.encode() not in arguments.read_bytes()
    finally:
        await child.stop()
    assert await properties_of(child.address, child.api_key) is None


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_random_model(tmp_path_factory.mktemp("model") / "whole.gguf").read_bytes()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "model.gguf: no such file"),
        ("empty", "model.gguf: the GGUF header is cut off"),
        ("no gguf", "model.gguf: this is not a GGUF file"),
        ("cut in the header", "model.gguf: the GGUF header is cut off"),
        ("cut in the weights", "not within the file bounds"),
        ("folder", "model.gguf: is a folder"),
    ],
)
async def test_a_file_that_cannot_be_loaded_has_a_reason_in_one_line(
    run_folder: Path, tmp_path: Path, whole_file: bytes, kind: str, reason: str
) -> None:
    path = tmp_path / "secretfolder" / "model.gguf"
    path.parent.mkdir()
    match kind:
        case "empty":
            path.write_bytes(b"")
        case "no gguf":
            path.write_bytes(b"import this\n" * 100)
        case "cut in the header":
            path.write_bytes(whole_file[:500])
        case "cut in the weights":
            path.write_bytes(whole_file[: len(whole_file) // 2])
        case "folder":
            path.mkdir()
    with pytest.raises(LoadFailed, match=reason) as caught:
        await XllamaLauncher(run_folder, SystemClock()).start(LocalModel("m", path), lambda progress: None)
    assert "\n" not in str(caught.value)
    assert "secretfolder" not in str(caught.value)
    assert not run_folder.exists() or list(run_folder.iterdir()) == []


@pytest.mark.parametrize("stage", [Stage.STARTING, Stage.LOADING_WEIGHTS])
async def test_a_load_that_is_given_up_leaves_nothing(run_folder: Path, tmp_path: Path, stage: Stage) -> None:
    model = LocalModel("slow", write_random_model(tmp_path / "slow.gguf", width=256, layers=8, feed_forward=1024))
    loading = asyncio.Event()

    def on_progress(progress: LoadProgress) -> None:
        if progress.stage is stage:
            loading.set()

    start = XllamaLauncher(run_folder, SystemClock()).start(model, on_progress)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(start)
        await loading.wait()
        task.cancel()
    assert not run_folder.exists() or list(run_folder.iterdir()) == []


async def test_sockets_of_a_killed_gateway_are_removed(run_folder: Path, chat_model: LocalModel) -> None:
    gone = await asyncio.create_subprocess_exec(sys.executable, "-c", "pass")
    await gone.wait()
    run_folder.mkdir()
    left = run_folder / f"{gone.pid}-1.sock"
    left.touch()
    child = await XllamaLauncher(run_folder, SystemClock()).start(chat_model, lambda progress: None)
    await child.stop()
    assert not left.exists()


_PARENT = """
import asyncio, sys
from pathlib import Path
from remuda.core.clock import SystemClock
from remuda.engines.launch import EngineSettings, LocalModel
from remuda.engines.llamacpp.process import XllamaLauncher

async def main():
    launcher = XllamaLauncher(Path(sys.argv[1]), SystemClock(), prefer_tcp=sys.argv[3] == "tcp")
    model = LocalModel("m", Path(sys.argv[2]), EngineSettings(slots=1, context=256, threads=1))
    child = await launcher.start(model, lambda progress: None)
    print(child.pid, child.address.socket_path or child.address.port, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("transport", ["unix", "tcp"])
async def test_a_gateway_killed_outright_leaves_no_engine_behind(run_folder: Path, transport: str) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, str(run_folder), str(CHAT), transport, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid, place = (await parent.stdout.readline()).split()
    address = (
        Address("localhost", 80, socket_path=place.decode())
        if transport == "unix"
        else Address("127.0.0.1", int(place))
    )
    assert await _answers(address)
    parent.kill()
    await parent.wait()
    await until(lambda: not is_alive(int(pid)))
    assert not await _answers(address)


async def _answers(address: Address) -> bool:
    connector = aiohttp.UnixConnector(address.socket_path) if address.socket_path else aiohttp.TCPConnector()
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            async with session.get(f"http://{address.host}:{address.port}/health"):
                return True
        except aiohttp.ClientError:
            return False


async def test_a_crash_is_told_with_its_signal(chat_engine: Child) -> None:
    os.kill(chat_engine.pid, signal.SIGSEGV)
    assert await chat_engine.ended() == "the engine was ended by signal 11"
