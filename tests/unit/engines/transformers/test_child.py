"""The child's own code, in this process; what it does as a process is in test_process."""

import asyncio
import importlib
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from remuda.engines.children.lines import progress_of, state_of
from remuda.engines.launch import LoadProgress, Stage
from remuda.engines.transformers import child
from tests.unit.engines.transformers.fake import FakeModel


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (0.0, LoadProgress(Stage.LOADING_WEIGHTS, 0)),
        (0.5, LoadProgress(Stage.LOADING_WEIGHTS, 50)),
        (1.0, LoadProgress(Stage.WARMING_UP, 100)),
    ],
)
def test_progress_is_told_in_the_words_of_all_children(part: float, expected: LoadProgress) -> None:
    state = state_of(child.progress_line(part))
    assert state is not None
    assert progress_of(state) == expected


@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_it_tells_where_it_serves(run_folder: Path, kind: str) -> None:
    run_folder.mkdir()
    told: asyncio.Queue[str] = asyncio.Queue()
    socket = str(run_folder / "s.sock") if kind == "unix" else None
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(child.serve(FakeModel(), socket, "k", told.put_nowait))
        address = await told.get()
        connector = aiohttp.UnixConnector(socket) if socket else aiohttp.TCPConnector()
        url = "http://localhost" if socket else address
        async with aiohttp.ClientSession(url, connector=connector) as client:
            for key, status in (("k", 200), ("x", 401)):
                async with client.get("/health", headers={"Authorization": f"Bearer {key}"}) as response:
                    assert response.status == status
        serving.cancel()
    assert address.startswith("unix:///" if socket else "http://127.0.0.1:")


def test_it_can_be_imported_without_torch() -> None:
    names = ["adapter", "answers", "asked", "child", "folder", "model", "process", "server", "speaking", "work"]
    for name in names:
        importlib.import_module(f"remuda.engines.transformers.{name}")
    imports = ",".join(f"remuda.engines.transformers.{name}" for name in names)
    code = f"import {imports}, sys; sys.exit(bool({{'torch', 'transformers'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
