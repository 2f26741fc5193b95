"""The process of a worker, against a real gateway on the same store."""

import signal
import subprocess
from pathlib import Path

import aiohttp

from remuda.app.exits import Exit
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import running_gateway
from tests.fixtures.process import command, environment, run_remuda


async def test_a_worker_beside_a_gateway_that_does_not_work(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as fake,
        running_gateway(tmp_path, upstreams=[{"url": fake.url}], tasks={"workers": 0}) as gateway,
        aiohttp.ClientSession(gateway.url) as http,
    ):
        await gateway.until(lambda: gateway.remuda.fleet.look_up("fake") is not None, "it is known")
        async with http.post("/generate", json={"prompt": "hi"}) as answer:
            task_id = (await answer.json())["task_id"]
        process = subprocess.Popen(  # noqa: ASYNC220 - it is seen by the store alone
            command("worker", "--data", tmp_path, "--gateway", gateway.url, "--concurrency", "2"),
            env=environment(),
            stderr=subprocess.PIPE,
        )
        try:
            async with http.get(f"/stream/{task_id}") as answer:
                events = await answer.text()
            assert '"status":"completed"' in events
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == Exit.OK, said
        [record] = await gateway.records()
        assert record.id == task_id


def test_a_worker_without_tasks_does_nothing(tmp_path: Path) -> None:
    done = run_remuda("worker", "--data", tmp_path, "--concurrency", "0")
    assert done.returncode == Exit.CONFIGURATION
    assert "tasks.workers is 0" in done.stderr


def test_a_store_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "remuda.db").mkdir()
    done = run_remuda("worker", "--data", tmp_path)
    assert done.returncode == Exit.STORE
    assert "Traceback" not in done.stderr
