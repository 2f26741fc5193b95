"""The process of a worker, against a real gateway on the same store."""

import asyncio
import contextlib
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp

from remuda.app.exits import Exit
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import running_gateway
from tests.fixtures.process import DEADLINE_S, command, environment, run_remuda, until


@contextlib.contextmanager
def worker_of(url: str, data: Path, **values: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The process of a worker, with `values` in its environment."""
    process = subprocess.Popen(
        command("worker", "--data", data, "--gateway", url, "--concurrency", "2"),
        env=environment(**values),
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def test_a_worker_beside_a_gateway_that_does_not_work(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as fake,
        running_gateway(tmp_path, upstreams=[{"url": fake.url}], tasks={"workers": 0}) as gateway,
        aiohttp.ClientSession(gateway.url) as http,
    ):
        await gateway.until(lambda: gateway.remuda.fleet.look_up("fake") is not None, "it is known")
        async with http.post("/generate", json={"prompt": "hi"}) as answer:
            task_id = (await answer.json())["task_id"]
        with worker_of(gateway.url, tmp_path) as process:
            async with http.get(f"/stream/{task_id}") as answer:
                events = await answer.text()
            assert '"status":"completed"' in events
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
        assert process.returncode == Exit.OK, said
        [record] = await gateway.records()
        assert record.id == task_id


async def test_a_task_that_is_cancelled_while_a_worker_has_it_leaves_one_record(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as fake,
        running_gateway(tmp_path, upstreams=[{"url": fake.url}], tasks={"workers": 0}) as gateway,
        aiohttp.ClientSession(gateway.url) as http,
    ):
        await gateway.until(lambda: gateway.remuda.fleet.look_up("fake") is not None, "it is known")
        fake.gate.hold(after_chunks=2)
        with worker_of(gateway.url, tmp_path):
            async with http.post("/generate", json={"prompt": "hi"}) as answer:
                task_id = (await answer.json())["task_id"]
            await fake.gate.reached(within_s=DEADLINE_S)
            async with http.delete(f"/tasks/{task_id}") as answer:
                assert answer.status == 200
            await fake.aborted_count(1)
            async with asyncio.timeout(DEADLINE_S):
                while not (records := await gateway.records()):
                    pass
        [record] = records
        assert (record.id, record.status, record.fault, record.dialect) == (task_id, 499, "client_gone", "tasks")
        assert record.completion_tokens == 2
        assert await gateway.records() == records


async def test_workers_have_log_files_and_metrics_of_their_own(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    values = {"REMUDA_LOG__FOLDER": str(logs), "REMUDA_TASKS__WORKER_METRICS": "127.0.0.1:0"}
    async with (
        FakeUpstream() as fake,
        running_gateway(tmp_path, upstreams=[{"url": fake.url}], tasks={"workers": 0}) as gateway,
        aiohttp.ClientSession(gateway.url) as http,
    ):
        await gateway.until(lambda: gateway.remuda.fleet.look_up("fake") is not None, "it is known")
        with worker_of(gateway.url, tmp_path, **values), worker_of(gateway.url, tmp_path, **values):
            places = [await asyncio.to_thread(metrics_place, logs / f"worker-{number}.log") for number in (1, 2)]
            assert len(set(places)) == 2
            async with http.post("/generate", json={"prompt": "hi"}) as answer:
                task_id = (await answer.json())["task_id"]
            async with http.get(f"/stream/{task_id}") as answer:
                await answer.read()
            completed = 0.0
            async with asyncio.timeout(DEADLINE_S):
                while completed < 1:  # it is counted when the store has it
                    completed = sum([await metric(http, place, "remuda_tasks_claimed_total") for place in places])
            assert completed == 1
    assert (logs / "worker-1.errors.log").read_text() == ""


def metrics_place(path: Path) -> str:
    """Where the worker with this log file says that its metrics are."""
    found = until(
        lambda: path.exists() and re.search(r"metrics are at (http://\S+)", path.read_text()), "it has said where"
    )
    return str(found[1])


async def metric(http: aiohttp.ClientSession, url: str, name: str) -> float:
    async with http.get(url) as answer:
        [line] = [line for line in (await answer.text()).splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


def test_a_worker_without_tasks_does_nothing(tmp_path: Path) -> None:
    done = run_remuda("worker", "--data", tmp_path, "--concurrency", "0")
    assert done.returncode == Exit.CONFIGURATION
    assert "tasks.workers is 0" in done.stderr


def test_a_store_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "remuda.db").mkdir()
    done = run_remuda("worker", "--data", tmp_path)
    assert done.returncode == Exit.STORE
    assert "Traceback" not in done.stderr
