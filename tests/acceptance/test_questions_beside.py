"""A gateway that has questions about the past worked out by another process tells what one without it tells, and leaves
nothing behind."""

import asyncio
import shutil
from pathlib import Path

import httpx

from remuda.store import open_store
from tests.contract.store.rollup_cases import add, some_records
from tests.contract.store.samples import NOON
from tests.fixtures.process import RemudaProcess, is_alive, remuda_serve, until

SPAN = "from=2023-11-14T12:00:00Z&to=2023-11-15T12:00:00Z"
PATHS = (
    f"/api/analytics/performance?{SPAN}",
    f"/api/model-performance?{SPAN}",
    f"/api/analytics/timeseries?{SPAN}&group_by=user&bucket=5m",
    f"/api/analytics/timeseries?{SPAN}&group_by=model&bucket=1h&top=2",
    f"/api/analytics/timeseries?{SPAN}",
    f"/api/analytics/values?{SPAN}",
    f"/api/cost-analysis?{SPAN}",
)
ELSEWHERE = ("--upstream", "http://127.0.0.1:9")
"""Nobody, so that no engine is started."""
ANSWERS = "remuda_aside_answers_total"


async def fill(folder: Path) -> None:
    folder.mkdir()
    store = await open_store(f"sqlite:///{folder}/remuda.db")
    await add(store, some_records(3, 400, NOON - 20_000, 40_000), 1)
    await store.close()


def all_told(gateway: RemudaProcess) -> list[bytes]:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=30) as client:
        answers = [client.get(path) for path in PATHS]
    assert {(each.status_code, each.headers["content-type"]) for each in answers} == {(200, "application/json")}
    return [each.content for each in answers]


def test_all_answers_are_the_same_and_nothing_stays(tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path / "one"))
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    never = {"REMUDA_INSIGHT__ASIDE": "false", "REMUDA_INSIGHT__ASIDE_AFTER_MS": "0"}
    with remuda_serve(tmp_path / "one", *ELSEWHERE, **never) as alone:
        told = all_told(alone)
        assert alone.children() == []
        assert alone.metric(ANSWERS, where="here") == len(PATHS)
    with remuda_serve(tmp_path / "other", *ELSEWHERE, REMUDA_INSIGHT__ASIDE_AFTER_MS="0") as gateway:
        httpx.get(gateway.url + PATHS[0], trust_env=False)
        until(lambda: gateway.metric("remuda_aside_starts_total"), "the process is ready")
        (child,) = gateway.children()
        before = gateway.metric(ANSWERS, where="beside")
        assert all_told(gateway) == told
        assert gateway.metric(ANSWERS, where="beside") == before + len(PATHS)
        history = httpx.get(gateway.url + "/api/monitoring/history?hours=1", trust_env=False)
        assert history.status_code == 200
        assert gateway.metric(ANSWERS, where="beside") == before + len(PATHS) + 1
        assert gateway.stop() == 0
        assert not is_alive(child)
        assert "Traceback" not in gateway.output


def test_one_that_is_killed_leaves_nothing_either(tmp_path: Path) -> None:
    with remuda_serve(tmp_path / "data", *ELSEWHERE, REMUDA_INSIGHT__ASIDE_AFTER_MS="0") as gateway:
        httpx.get(gateway.url + PATHS[0], trust_env=False)
        until(lambda: gateway.metric("remuda_aside_starts_total"), "the process is ready")
        (child,) = gateway.children()
        gateway.process.kill()
        until(lambda: not is_alive(child), "it has ended")
