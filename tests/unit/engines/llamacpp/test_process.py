"""Child processes of the real engine: ready, told apart, ended, and gone with their parent."""

import asyncio
import os
import signal
import stat
import sys
import tempfile
from pathlib import Path

import aiohttp
import pytest

from remuda.core.address import Address
from remuda.core.clock import SystemClock
from remuda.engines.children.process import MAX_SOCKET_PATH_BYTES, Child
from remuda.engines.children.props import properties_of
from remuda.engines.launch import LoadFailed, LoadProgress, LocalModel, Stage
from remuda.engines.llamacpp.process import LlamaServerLauncher, XllamaLauncher
from remuda.engines.tiny import CHAT
from tests.random_model import write_random_model
from tests.unit.engines.client import is_alive, session_to, until

pytestmark = [pytest.mark.engine]


def left_in(run_folder: Path) -> list[Path]:
    return list(run_folder.iterdir()) if run_folder.exists() else []


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
    assert left_in(run_folder) == []


async def test_a_look_at_the_file_tells_clients_no_folder(run_folder: Path, tmp_path: Path, whole_file: bytes) -> None:
    first, second = (tmp_path / f"m-0000{number}-of-00002.gguf" for number in (1, 2))
    first.write_bytes(whole_file)
    second.write_bytes(whole_file[:-1])
    launcher, model = XllamaLauncher(run_folder, SystemClock()), LocalModel("m", first)
    stamp = await launcher.stamp(model)
    with pytest.raises(LoadFailed, match=r"^m-00002-of-00002\.gguf: the file is cut off"):
        await launcher.check(model)
    second.write_bytes(whole_file)
    await launcher.check(model)
    assert await launcher.stamp(model) != stamp


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
    assert left_in(run_folder) == []


async def test_sockets_of_a_killed_gateway_are_removed(run_folder: Path, chat_model: LocalModel) -> None:
    gone = await asyncio.create_subprocess_exec(sys.executable, "-c", "pass")
    await gone.wait()
    run_folder.mkdir()
    left = run_folder / f"{gone.pid}-1.sock"
    left.touch()
    child = await XllamaLauncher(run_folder, SystemClock()).start(chat_model, lambda progress: None)
    await child.stop()
    assert not left.exists()


# On uvloop, as the gateway runs; the other tests here are on asyncio's own loop. The first child is stopped in order.
_PARENT = """
import asyncio, sys, uvloop
from pathlib import Path
from remuda.core.clock import SystemClock
from remuda.engines.launch import EngineSettings, LocalModel
from remuda.engines.llamacpp.process import LlamaServerLauncher, XllamaLauncher

async def main():
    folder = Path(sys.argv[1])
    if sys.argv[3] == "own program":
        options = ["--stand-in", "careless"]
        launcher = LlamaServerLauncher(Path(sys.argv[4]), folder, SystemClock(), options=options)
    else:
        launcher = XllamaLauncher(folder, SystemClock(), prefer_tcp=sys.argv[3] == "tcp")
    model = LocalModel("m", Path(sys.argv[2]), EngineSettings(slots=1, context=256, threads=1))
    first = await launcher.start(model, lambda progress: None)
    await first.stop()
    child = await launcher.start(model, lambda progress: None)
    print(child.pid, child.address.socket_path or child.address.port, flush=True)
    await asyncio.Event().wait()

uvloop.run(main())
"""


@pytest.mark.parametrize("kind", ["unix", "tcp", "own program"])
async def test_a_gateway_killed_outright_leaves_no_engine_behind(run_folder: Path, program: Path, kind: str) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, str(run_folder), str(CHAT), kind, str(program), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid, place = (await parent.stdout.readline()).split()
    address = (
        Address("127.0.0.1", int(place)) if kind == "tcp" else Address("localhost", 80, socket_path=place.decode())
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


# The user's own llama-server


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The stand-in as a program of its own."""
    path = tmp_path / "llama-server"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("stand_in.py")}" "$@"\n')
    path.chmod(0o700)
    return path


@pytest.mark.parametrize("prefer_tcp", [False, True], ids=["unix", "tcp"])
@pytest.mark.parametrize("word", ["reports", "silent"])
async def test_a_llama_server_of_the_users_own(
    run_folder: Path,
    program: Path,
    embed_model: LocalModel,
    monkeypatch: pytest.MonkeyPatch,
    word: str,
    prefer_tcp: bool,
) -> None:
    monkeypatch.setenv("REMUDA_STORE_URL", "x")
    monkeypatch.setenv("MY_SECRET", "x")
    seen: list[LoadProgress] = []
    launcher = LlamaServerLauncher(
        program, run_folder, SystemClock(), prefer_tcp=prefer_tcp, options=["--stand-in", word]
    )
    child = await launcher.start(embed_model, seen.append)
    try:
        assert (child.slots, child.context) == (2, 1024)
        assert (child.address.socket_path is None) is prefer_tcp
        assert (child.api_key is not None) is prefer_tcp
        assert seen[-1] == LoadProgress(Stage.READY, 100)
        assert (LoadProgress(Stage.LOADING_WEIGHTS, 50) in seen) is (word == "reports")
        headers = {"Authorization": f"Bearer {child.api_key}"}
        async with session_to(child.address) as session, session.get("/seen", headers=headers) as response:
            told = await response.json()
        assert told["environment"] == []
        assert {"--embeddings", "--jinja"} <= set(told["arguments"])
        assert told["arguments"][told["arguments"].index("--pooling") + 1] == "mean"
        assert "--n-gpu-layers" not in told["arguments"]
    finally:
        await child.stop()
    assert not is_alive(child.pid)
    assert left_in(run_folder) == []


async def test_a_program_that_does_not_end_is_killed(run_folder: Path, program: Path, chat_model: LocalModel) -> None:
    launcher = LlamaServerLauncher(program, run_folder, SystemClock(), stop_s=0.2, options=["--stand-in", "deaf"])
    child = await launcher.start(chat_model, lambda progress: None)
    await child.stop()
    assert not is_alive(child.pid)
    assert await child.ended() == "the engine was ended by signal 9"


@pytest.mark.parametrize(
    ("word", "reason"), [("refuses", "unknown architecture in remuda-tiny.gguf"), ("nonsense --x", "status 2")]
)
async def test_a_program_that_refuses_says_why(
    run_folder: Path, program: Path, chat_model: LocalModel, word: str, reason: str
) -> None:
    launcher = LlamaServerLauncher(program, run_folder, SystemClock(), options=["--stand-in", *word.split()])
    with pytest.raises(LoadFailed, match=reason):
        await launcher.start(chat_model, lambda progress: None)


@pytest.mark.parametrize("mode", [None, 0o600])
async def test_a_program_that_cannot_be_started_says_so(
    run_folder: Path, tmp_path: Path, chat_model: LocalModel, mode: int | None
) -> None:
    path = tmp_path / "llama-server"
    if mode is not None:
        path.touch()
        path.chmod(mode)
    with pytest.raises(LoadFailed, match="the engine's program cannot be started: "):
        await LlamaServerLauncher(path, run_folder, SystemClock()).start(chat_model, lambda progress: None)


async def test_a_run_folder_that_cannot_be_made_is_a_clear_failure(tmp_path: Path, chat_model: LocalModel) -> None:
    (tmp_path / "file").touch()
    with tempfile.TemporaryDirectory(prefix="rmd") as short:
        (Path(short) / "file").touch()
        with pytest.raises(LoadFailed, match="the folder for the engines' sockets cannot be used"):
            await XllamaLauncher(Path(short) / "file" / "run", SystemClock()).start(chat_model, lambda progress: None)
