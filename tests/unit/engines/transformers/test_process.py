"""Children with the real torch: the same words as llama.cpp's, cancelled, refused, and gone with their parent."""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from remuda.core.ask import Operation
from remuda.core.clock import SystemClock
from remuda.core.faults import ContextOverflow, InvalidRequest
from remuda.engines.children.process import Child
from remuda.engines.launch import EngineKind, EngineSettings, LoadFailed, LoadProgress, LocalModel, Stage
from remuda.engines.llamacpp.adapter import LlamaCpp
from remuda.engines.llamacpp.process import XllamaLauncher
from remuda.engines.tiny import CHAT, EMBED
from remuda.engines.transformers.adapter import Transformers
from remuda.engines.transformers.process import NOT_INSTALLED, TransformersLauncher, is_installed
from tests.unit.engines.client import ask_of, fault_from, is_alive, send, session_to, until

pytestmark = [
    pytest.mark.engine,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("transformers"),
]

QUESTIONS = [
    "Hello",
    "Who are you?",
    "What is Remuda?",
    "What is a llama?",
    "What is the capital of France?",
    "Count from 3 to 9.",
    "Repeat after me: green river llama",
]


def model_of(path: Path, **settings: Any) -> LocalModel:
    return LocalModel("m", path, EngineSettings(**{"slots": 1, "threads": 1, **settings}), EngineKind.TRANSFORMERS)


def nothing(progress: LoadProgress) -> None:
    pass


@pytest.fixture(scope="module")
def launcher() -> Iterator[TransformersLauncher]:
    with tempfile.TemporaryDirectory(prefix="rmd") as name:
        yield TransformersLauncher(Path(name) / "run", SystemClock())


@pytest.fixture(scope="module")
def llamacpp_launcher() -> Iterator[XllamaLauncher]:
    with tempfile.TemporaryDirectory(prefix="rmd") as name:
        yield XllamaLauncher(Path(name) / "run", SystemClock())


@pytest.fixture(scope="module")
def seen() -> list[LoadProgress]:
    return []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(launcher: TransformersLauncher, chat_folder: Path, seen: list[LoadProgress]) -> AsyncIterator[Child]:
    child = await launcher.start(model_of(chat_folder), seen.append)
    yield child
    await child.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def llamacpp(llamacpp_launcher: XllamaLauncher) -> AsyncIterator[Child]:
    model = LocalModel("m", CHAT, EngineSettings(slots=1, threads=1))
    child = await llamacpp_launcher.start(model, nothing)
    yield child
    await child.stop()


def text_of(events: list[dict[str, Any]], is_chat: bool) -> str:
    choices = [event["choices"][0] for event in events if event.get("choices")]
    return "".join((choice["delta"].get("content") or "") if is_chat else choice["text"] for choice in choices)


async def test_loads_with_progress_and_tells_slots_and_context(engine: Child, seen: list[LoadProgress]) -> None:
    assert seen[0].stage is Stage.STARTING
    assert seen[-1] == LoadProgress(Stage.READY, 100)
    assert any(progress.stage is Stage.LOADING_WEIGHTS and progress.percent > 0 for progress in seen)
    assert [progress.percent for progress in seen] == sorted(progress.percent for progress in seen)
    assert (engine.slots, engine.context) == (1, 2048)
    assert engine.api_key is None


@pytest.mark.parametrize("question", QUESTIONS)
async def test_says_what_llamacpp_says(engine: Child, llamacpp: Child, question: str) -> None:
    messages = [{"role": "user", "content": question}]
    body = {"messages": messages, "temperature": 0, "max_tokens": 120, "stream": True}
    ask = ask_of(Operation.CHAT, body, is_streamed=True)
    ours = await send(engine, Transformers().outgoing(ask, "m"))
    theirs = await send(llamacpp, LlamaCpp().outgoing(ask, "m"))
    assert text_of(ours.events, is_chat=True) == text_of(theirs.events, is_chat=True) != ""
    assert ours.body.endswith(b"data: [DONE]\n\n")
    usage, expected = ours.events[-1]["usage"], theirs.events[-1]["usage"]
    assert usage["prompt_tokens"] == expected["prompt_tokens"]


async def test_goes_on_with_text_as_llamacpp_does(engine: Child, llamacpp: Child) -> None:
    body = {"prompt": "Once upon a time", "temperature": 0, "max_tokens": 60, "stream": True}
    ask = ask_of(Operation.COMPLETION, body, is_streamed=True)
    ours = await send(engine, Transformers().outgoing(ask, "m"))
    theirs = await send(llamacpp, LlamaCpp().outgoing(ask, "m"))
    assert text_of(ours.events, is_chat=False) == text_of(theirs.events, is_chat=False) != ""
    assert ours.events[-1]["usage"]["completion_tokens"] == theirs.events[-1]["usage"]["completion_tokens"] == 60


async def test_gives_the_vectors_llamacpp_gives(
    launcher: TransformersLauncher, llamacpp_launcher: XllamaLauncher, embed_folder: Path
) -> None:
    ask = ask_of(Operation.EMBEDDING, {"input": ["a llama", "the gateway in front of all servers"]})
    ours = await launcher.start(model_of(embed_folder), nothing)
    try:
        mine = (await send(ours, Transformers().outgoing(ask, "m"))).json
    finally:
        await ours.stop()
    theirs = await llamacpp_launcher.start(LocalModel("m", EMBED), nothing)
    try:
        expected = (await send(theirs, LlamaCpp().outgoing(ask, "m"))).json
    finally:
        await theirs.stop()
    assert mine["usage"]["prompt_tokens"] == expected["usage"]["prompt_tokens"]
    for one, other in zip(mine["data"], expected["data"], strict=True):
        assert sum(a * b for a, b in zip(one["embedding"], other["embedding"], strict=True)) > 0.999


async def test_its_errors_are_faults(engine: Child) -> None:
    long = {"messages": [{"role": "user", "content": "llama " * 3000}]}
    overflow = await fault_from(Transformers(), engine, ask_of(Operation.CHAT, long))
    assert isinstance(overflow, ContextOverflow)
    assert overflow.expected == "at most 2048 tokens"
    broken = {"messages": [{"role": "user", "content": "x"}], "temperature": -1}
    assert isinstance(await fault_from(Transformers(), engine, ask_of(Operation.CHAT, broken)), InvalidRequest)


async def test_is_idle_again_when_its_client_has_left(engine: Child) -> None:
    body = {"prompt": "Once", "max_tokens": 2000, "stream": True, "temperature": 1, "stop": ["\0"]}

    async def is_idle() -> bool:
        async with session_to(engine.address) as session, session.get("/slots") as response:
            return Transformers().busy_slots(await response.read()) == 0

    async with session_to(engine.address) as session, session.post("/v1/completions", json=body) as response:
        await response.content.readline()
        response.close()
    await until(is_idle)


# The first loads in the thread of this test's loop; its parent is killed, not asked.
_PARENT = """
import asyncio, sys, uvloop
from pathlib import Path
from remuda.core.clock import SystemClock
from remuda.engines.launch import EngineKind, EngineSettings, LocalModel
from remuda.engines.transformers.process import TransformersLauncher

async def main():
    launcher = TransformersLauncher(Path(sys.argv[1]), SystemClock(), prefer_tcp=True)
    model = LocalModel("m", Path(sys.argv[2]), EngineSettings(slots=1, threads=1), EngineKind.TRANSFORMERS)
    child = await launcher.start(model, lambda progress: None)
    print(child.pid, bool(child.api_key), flush=True)
    await asyncio.Event().wait()

uvloop.run(main())
"""


async def test_a_gateway_killed_outright_leaves_no_engine_behind(run_folder: Path, chat_folder: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, str(run_folder), str(chat_folder), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid, has_key = (await parent.stdout.readline()).split()
    assert has_key == b"True"
    assert is_alive(int(pid))
    parent.kill()
    await parent.wait()
    await until(lambda: not is_alive(int(pid)))


async def test_a_model_that_torch_cannot_load_has_a_reason_in_one_line(
    launcher: TransformersLauncher, chat_folder: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(chat_folder, tmp_path / "secretfolder" / "m"))
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "model_type": "unheard-of", "architectures": ["X"]}))
    with pytest.raises(LoadFailed, match="unheard-of") as caught:
        await launcher.start(model_of(path), nothing)
    assert "\n" not in str(caught.value)
    assert "secretfolder" not in str(caught.value)


async def test_a_name_of_the_hub_that_cannot_be_had_is_told(
    launcher: TransformersLauncher, chat_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    model = LocalModel("gpt2", Path("gpt2"), EngineSettings(), EngineKind.TRANSFORMERS, hub_name="gpt2")
    assert await launcher.stamp(model) == ()
    with pytest.raises(LoadFailed) as caught:
        await launcher.start(model, nothing)
    assert str(caught.value) == (
        "gpt2 is not on this machine, and the Hugging Face hub is not asked (HF_HUB_OFFLINE is set)"
    )


async def test_broken_files_are_told_before_anything_is_started(
    launcher: TransformersLauncher, chat_folder: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(chat_folder, tmp_path / "m"))
    model = model_of(path)
    before = await launcher.stamp(model)
    await launcher.check(model)
    weights = path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert await launcher.stamp(model) != before
    with pytest.raises(LoadFailed, match=r"^model\.safetensors: the file is cut off"):
        await launcher.check(model)


async def test_without_the_extra_it_says_what_to_install(
    launcher: TransformersLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # what Python itself does to make an import fail
    assert not is_installed()
    with pytest.raises(LoadFailed) as caught:
        await launcher.start(model_of(tmp_path), nothing)
    assert str(caught.value) == NOT_INSTALLED
    assert "pip install 'remuda[transformers]'" in NOT_INSTALLED
