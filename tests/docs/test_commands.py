"""The commands of the README and of the tutorial do what they say: they are run against a real gateway and engine."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.parts import missing

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TUTORIAL = (ROOT / "docs" / "tutorial" / "first-steps.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:7368"
STRICT = 'set -euo pipefail\ncurl() { command curl --fail-with-body --silent --show-error --max-time 60 "$@"; }\n'

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine")]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    """A gateway as `make run` starts it, with the tiny models."""
    if shutil.which("curl") is None or shutil.which("bash") is None:
        missing("curl and bash")
    async with running_gateway(tmp_path) as running:
        yield running


async def run(gateway: RunningGateway, program: str, *arguments: str) -> str:
    """What a program says that must succeed; in it the documented address is the gateway's."""
    inputs = [argument.replace(ADDRESS, gateway.url) for argument in arguments]
    environ = {**os.environ, "REMUDA_DATA_DIR": str(gateway.remuda.settings.data_dir), "NO_PROXY": "127.0.0.1"}
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
    child = await asyncio.create_subprocess_exec(
        program, *inputs, env=environ, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complained = await child.communicate()
    assert child.returncode == 0, f"{inputs[-1]}\n{said.decode()}\n{complained.decode()}"
    return said.decode()


async def test_every_curl_of_the_readme_works(gateway: RunningGateway) -> None:
    commands = re.findall(r"`(curl [^`]+)`", README)
    assert len(commands) >= 5
    for command in commands:
        assert await run(gateway, "bash", "-c", STRICT + command)


async def test_the_tutorial_can_be_followed(gateway: RunningGateway) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", TUTORIAL, re.DOTALL)
    said = await run(gateway, "bash", "-c", STRICT + "".join(blocks))
    assert "data: [DONE]" in said
    assert "remuda_requests_total{" in said
    assert "tutorial" in said


async def test_the_program_of_the_tutorial_works(gateway: RunningGateway) -> None:
    [program] = re.findall(r"```python\n(.*?)```", TUTORIAL, re.DOTALL)
    assert await run(gateway, sys.executable, "-c", program)
