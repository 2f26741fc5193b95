"""Document S2, rows 112-114: the log files of a gateway."""

from pathlib import Path

import httpx

from remuda.app.exits import Exit
from remuda.testing.behaviour import Fault
from tests.fixtures.process import fake_upstream, remuda_serve, run_remuda, until

KEY = "test-key-123-and-more"


def test_the_three_files(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    with (
        fake_upstream() as fake,
        remuda_serve(
            tmp_path / "data",
            "--upstream",
            fake.url,
            API_KEYS=KEY,
            REMUDA_LOG__FOLDER=str(logs),
            REMUDA_TASKS__MAX_ATTEMPTS="1",
        ) as gateway,
        httpx.Client(base_url=gateway.url, headers={"X-API-Key": KEY}, trust_env=False, timeout=60) as client,
    ):
        until(lambda: client.get("/health").json()["model_loaded"], "the model is known")
        good = client.post("/generate", json={"prompt": "Hello"}).json()["task_id"]
        with client.stream("GET", f"/stream/{good}") as stream:
            stream.read()
        fake.behave(fault=Fault.ERROR)
        bad = client.post("/generate", json={"prompt": "Hello"}).json()["task_id"]
        with client.stream("GET", f"/stream/{bad}") as stream:
            stream.read()
        requests = logs / "llm_requests.log"
        until(lambda: bad in requests.read_text(), "both are there")
    first, second = requests.read_text().splitlines()
    assert f"task_id={good} " in first
    assert " status=success " in first
    assert " model=fake " in first
    assert f"task_id={bad} " in second
    assert " status=error " in second
    assert 'error_message="' in second
    assert (logs / "errors.log").exists()
    for path in logs.iterdir():
        assert KEY not in path.read_text()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "remuda.yaml").write_text("log:\n  folder: file/logs\nserver:\n  port: 0\n")
    ended = run_remuda("serve", "--config", tmp_path / "remuda.yaml", "--data", tmp_path / "data")
    assert ended.returncode == Exit.CONFIGURATION
    assert ended.stderr.startswith("remuda: log.folder: no log files can be written to ")
