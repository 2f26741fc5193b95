"""The disk of the store is full for a while: what was not kept is refused, what was accepted goes on afterwards.

For the process it is full when it may write no more bytes into files: the system's own bound on their size, put down to
0 and up again from outside.
"""

import asyncio
import contextlib
import re
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from remuda.core.task import TaskState
from remuda.store import open_store, store_url_in
from remuda.store.tasks import TaskFilter, task_page
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.crashes import all_records
from tests.fixtures.process import DEADLINE_S, command, environment, remuda_serve

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="another process's bounds are set on Linux only")


@contextlib.contextmanager
def full_disk(*pids: int) -> Iterator[None]:
    """None of these processes can write into files."""
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


class Said:
    """What a process says on its stderr."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._lines = b""

    def wait_for(self, pattern: str) -> None:
        """Return when it has said something like that."""
        stream = self._process.stderr
        assert stream is not None
        while not re.search(pattern.encode(), self._lines):
            line = stream.readline()
            assert line, self._lines.decode()
            self._lines += line


@contextlib.contextmanager
def worker(data: Path, url: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker beside the gateway, with one task at once."""
    process = subprocess.Popen(
        command("worker", "--data", data, "--gateway", url, "--concurrency", "1"),
        env=environment(REMUDA_TASKS__LEASE_S="600"),
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)


async def submit(http: aiohttp.ClientSession) -> tuple[int, dict[str, Any], str | None]:
    async with http.post("/generate", json={"prompt": "hello"}) as answer:
        return answer.status, await answer.json(), answer.headers.get("Retry-After")


async def listed(http: aiohttp.ClientSession, states: str) -> int:
    """How many tasks are in one of these states."""
    async with http.get(f"/tasks?state={states}") as answer:
        return len((await answer.json())["tasks"])


@pytest.mark.parametrize("has_worker", [False, True])
async def test_what_cannot_be_kept_is_refused_and_what_was_accepted_is_done_later(
    *, has_worker: bool, tmp_path: Path
) -> None:
    values = {"REMUDA_TASKS__WORKERS": "0" if has_worker else "1", "REMUDA_TASKS__LEASE_S": "600"}
    async with FakeUpstream() as fake, contextlib.AsyncExitStack() as stack:
        gateway = stack.enter_context(remuda_serve(tmp_path, "--upstream", fake.url, **values))
        url = await asyncio.to_thread(lambda: gateway.url)
        http = await stack.enter_async_context(aiohttp.ClientSession(url))
        pids, said = [gateway.process.pid], gateway.wait_for
        if has_worker:
            apart = stack.enter_context(worker(tmp_path, url))
            pids.append(apart.pid)
            said = Said(apart).wait_for
        fake.gate.hold(after_chunks=2)
        async with asyncio.timeout(DEADLINE_S):
            while (await submit(http))[0] != 202:  # until the model is known
                pass
            await fake.gate.reached(within_s=DEADLINE_S)
            assert (await submit(http))[0] == 202
            with full_disk(*pids):
                status, answer, retry_after = await submit(http)
                assert (status, set(answer), answer["status_code"]) == (503, {"error", "status_code"}, 503)
                assert retry_after is not None
                assert await listed(http, "running,queued") == 2  # what is there can be read
                fake.gate.release()  # how it ended cannot be kept for the moment
                await asyncio.to_thread(said, "worker: the store .* does not answer")
                assert (await submit(http))[0] == 503
            while (await submit(http))[0] != 202:
                pass
            while await listed(http, "completed") < 3:
                pass
    store = await open_store(store_url_in(tmp_path))
    tasks = await task_page(store, TaskFilter(), 100)
    assert [(task.state, task.attempts) for task in tasks] == [(TaskState.COMPLETED, 1)] * 3
    assert await all_records(store) == Counter(task.id for task in tasks)
    await store.close()
