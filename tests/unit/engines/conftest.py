import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from remuda.core.clock import SystemClock
from remuda.engines.children.process import Child
from remuda.engines.launch import EngineSettings, LocalModel
from remuda.engines.llamacpp.process import XllamaLauncher
from remuda.engines.tiny import CHAT, EMBED


@pytest.fixture
def run_folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets; pytest's own are not everywhere."""
    with tempfile.TemporaryDirectory(prefix="rmd") as folder:
        yield Path(folder) / "run"


@pytest.fixture
def chat_model() -> LocalModel:
    return LocalModel("remuda-tiny", CHAT, EngineSettings(slots=2, context=1024, threads=1))


@pytest.fixture
def embed_model() -> LocalModel:
    return LocalModel("remuda-tiny-embed", EMBED, EngineSettings(slots=2, context=1024, threads=1))


@pytest.fixture
async def chat_engine(run_folder: Path, chat_model: LocalModel) -> AsyncIterator[Child]:
    """The real engine with the shipped chat model, two slots of 1024 tokens."""
    child = await XllamaLauncher(run_folder, SystemClock()).start(chat_model, lambda progress: None)
    yield child
    await child.stop()
