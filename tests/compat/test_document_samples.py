"""Document S2, rows 108-111: its samples, as they are written there, against a gateway with a real engine.

Only the place is changed: they say localhost:8000.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fixtures.parts import missing
from tests.fixtures.process import RemudaProcess, remuda_serve

ROOT = Path(__file__).parents[2]
SAMPLES = Path(__file__).parent / "samples"
KEY = "test-key-123"
ENDS_S = 90.0
"""Against hanging only."""

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemudaProcess]:
    """One for all samples; its rate limit is that of the document for one of them, so it is off."""
    data = tmp_path_factory.mktemp("data")
    keys = f"{KEY},demo-key-456"
    with remuda_serve(data, API_KEYS=keys, REMUDA_TASKS__REQUESTS_PER_MINUTE="0") as running:
        assert running.url
        yield running


def sample(name: str, gateway: RemudaProcess, **changes: str) -> str:
    text = (SAMPLES / name).read_text().replace("localhost:8000", gateway.url.removeprefix("http://"))
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    return text


def ran(*command: str | Path, **environ: str) -> str:
    """What a program prints that ends well."""
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    ended = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=ENDS_S, env=clean | environ
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        missing(name)
    return found


def test_python_simple(gateway: RemudaProcess, tmp_path: Path) -> None:
    script = tmp_path / "simple.py"
    script.write_text(sample("python_simple.txt", gateway))
    said = ran(sys.executable, script)
    assert said.startswith("Task ID: ")
    assert "\nResult: " in said
    assert "'tokens_per_second': " in said.partition("\nMetrics: ")[2]


def test_python_with_the_client_class(gateway: RemudaProcess, tmp_path: Path) -> None:
    script = tmp_path / "with_client.py"
    script.write_text(sample("python_client.txt", gateway))
    assert ran(sys.executable, script, PYTHONPATH=str(ROOT)).strip()


def test_the_client_by_itself(gateway: RemudaProcess) -> None:
    said = ran(sys.executable, ROOT / "client_example.py", gateway.url, API_KEY=KEY)
    assert said.startswith("The gateway is healthy; tasks are answered by ")
    assert '"completion_tokens": ' in said


def test_node(gateway: RemudaProcess, tmp_path: Path) -> None:
    script = tmp_path / "flow.js"
    script.write_text(sample("node.txt", gateway))
    said = ran(program("node"), script, NODE_PATH=str(SAMPLES / "node"))
    assert said.startswith("Task ID: ")
    assert "\nResult: " in said
    assert "tokens_per_second: " in said.partition("\nMetrics: ")[2]


def test_event_source(gateway: RemudaProcess, tmp_path: Path) -> None:
    task_id = submitted(gateway)
    script = tmp_path / "stream.js"
    script.write_text(sample("event_source.txt", gateway, **{"abc123-def456-ghi789": task_id}))
    said = ran(program("node"), "-r", SAMPLES / "node" / "event_source.js", script)
    assert "completed Task completed successfully\nResult: " in said


def test_curl(gateway: RemudaProcess, tmp_path: Path) -> None:
    program("jq")
    program("curl")
    script = tmp_path / "flow.sh"
    script.write_text(sample("curl.txt", gateway))
    said = ran(program("bash"), "-e", script)
    assert said.startswith("Task ID: ")
    assert '"status":"completed"' in said.partition("}")[2]


def test_user_tracking(gateway: RemudaProcess, tmp_path: Path) -> None:
    script = tmp_path / "user.py"
    head = f'import requests\nAPI_KEY, BASE_URL = "{KEY}", "{gateway.url}"\n'
    script.write_text(head + sample("user_id.txt", gateway))
    ran(sys.executable, script)
    listed = httpx.get(f"{gateway.url}/tasks?user_id=user-12345", headers={"X-API-Key": KEY}, trust_env=False).json()
    assert [task["user_id"] for task in listed["tasks"]] == ["user-12345"]


def submitted(gateway: RemudaProcess) -> str:
    answer = httpx.post(
        f"{gateway.url}/generate", json={"prompt": "Hello"}, headers={"X-API-Key": KEY}, trust_env=False
    )
    assert answer.status_code == 202
    task_id: str = answer.json()["task_id"]
    return task_id
