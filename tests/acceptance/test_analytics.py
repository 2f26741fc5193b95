"""Document S3's analytics on a running gateway: whole when there is nothing, right when there is, closed where they are
personal."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from remuda.core.keys import Key, KeyRing, Scope, digest_of
from remuda.testing.upstream import FakeUpstream
from tests.contract.store.samples import run_sql
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.raw import ASK

EMPTY = {
    "summary": {
        "total_requests": 0, "success_rate": 0.0, "streaming_requests": 0, "avg_performance_score": 0.0,
        "failed_requests": 0, "truncated_requests": 0, "prompt_tokens": 0, "completion_tokens": 0, "cached_tokens": 0,
        "total_tokens": 0, "avg_queue_wait_ms": 0.0, "total_cost": 0.0, "energy_joules": None,
    },
    "latency_stats": {"mean": 0.0, "median": 0.0, "p95": 0.0, "p99": 0.0, "min": 0.0, "max": 0.0},
    "ttft_stats": {"mean": 0.0, "median": 0.0, "p95": 0.0, "p99": 0.0, "min": 0.0, "max": 0.0},
    "throughput_stats": {
        "mean_tokens_per_sec": 0.0, "max_tokens_per_sec": 0.0, "min_tokens_per_sec": 0.0, "median_tokens_per_sec": 0.0,
        "p95_tokens_per_sec": 0.0, "p99_tokens_per_sec": 0.0,
    },
    "model_performance": {},
    "percentiles": "exact",
}  # fmt: skip


async def told(gateway: RunningGateway, path: str, key: str | None = None, status: int = 200) -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30, headers=headers) as client:
        answer = await client.get(path)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_the_whole_shape_where_there_is_nothing(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        shape = await told(gateway, "/api/analytics/performance")
        assert {name: value for name, value in shape.items() if name not in ("from", "to")} == EMPTY
        models = await told(gateway, "/api/model-performance?hours=12")
        assert models == {"models": [], "time_period_hours": 12, "recommendation": None}
        series = await told(gateway, "/api/analytics/timeseries?group_by=model&hours=2")
        assert (series["bucket"], series["group_by"], series["groups"]) == ("1m", "model", [])
        assert len(series["total"]) in (120, 121)
        assert {point["requests"] for point in series["total"]} == {0}
        values = await told(gateway, "/api/analytics/values")
        assert values == {"models": [], "replicas": [], "keys": [], "users": []}


async def test_requests_are_told_of_as_soon_as_they_are_recorded(tmp_path: Path) -> None:
    async with (
        FakeUpstream(models=("fake", "other")) as upstream,
        running_gateway(tmp_path, upstreams=[{"url": upstream.url, "name": "one"}]) as gateway,
        httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30) as client,
    ):
        asked = {"messages": [{"role": "user", "content": "Hello"}], "user": "mia"}
        for model, is_streamed in (("fake", False), ("fake", True), ("other", False), ("unknown", False)):
            await client.post("/v1/chat/completions", json={"model": model, "stream": is_streamed, **asked})
        records = await gateway.records()
        assert len(records) == 4
        shape = await told(gateway, "/api/analytics/performance")
        summary = shape["summary"]
        assert (summary["total_requests"], summary["streaming_requests"], summary["failed_requests"]) == (4, 1, 1)
        assert (summary["success_rate"], shape["percentiles"]) == (75.0, "exact")
        assert summary["total_tokens"] == sum(each.prompt_tokens + each.completion_tokens for each in records)
        durations = sorted(each.duration_s * 1000 for each in records)
        assert shape["latency_stats"]["median"] == pytest.approx(durations[2], abs=0.001)
        assert shape["latency_stats"]["max"] == pytest.approx(durations[3], abs=0.001)
        assert shape["model_performance"]["fake"]["request_count"] == 2
        assert shape["model_performance"]["unknown"]["error_rate"] == 100.0
        models = await told(gateway, "/api/model-performance")
        assert {each["model_name"]: each["request_count"] for each in models["models"]} == {
            "fake": 2, "other": 1, "unknown": 1,
        }  # fmt: skip
        assert models["recommendation"] == models["models"][0]["model_name"] != "unknown"
        series = await told(gateway, "/api/analytics/timeseries?group_by=user&bucket=1h&top=1")
        assert [(each["value"], each["is_other"]) for each in series["groups"]] == [("mia", False)]
        assert sum(point["requests"] for point in series["groups"][0]["points"]) == 4
        values = await told(gateway, "/api/analytics/values?hours=1")
        assert values["models"] == [
            {"value": "fake", "requests": 2}, {"value": "other", "requests": 1}, {"value": "unknown", "requests": 1},
        ]  # fmt: skip
        assert values["users"] == [{"value": "mia", "requests": 4}]


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("performance?hours=0", "hours is a whole number from 1"),
        ("performance?hours=yes", "hours is a whole number from 1"),
        ("performance?hours=-1", "hours is a whole number from 1"),
        ("timeseries?group_by=colour", "group_by is one of model, replica, key, user"),
        ("timeseries?bucket=1s", "bucket is such as 5m, 1h or 1d"),
        ("timeseries?bucket=1m&hours=24", "a series has at most 500 points: bucket is at least 3m"),
        ("timeseries?top=21", "top is a whole number from 1 to 20 where there are 25 points"),
        ("values?from=monday", "from is a moment such as"),
    ],
)
async def test_nonsense_is_refused_by_its_name(tmp_path: Path, query: str, detail: str) -> None:
    async with running_gateway(tmp_path) as gateway:
        assert (await told(gateway, f"/api/analytics/{query}", status=400))["detail"].startswith(detail)


async def test_who_only_reads_sees_sums_and_no_names(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        gateway.remuda.gatekeeper.ring = KeyRing(
            [
                Key(word, word, digest_of(word.encode()), "", frozenset(scopes), 0.0)
                for word, scopes in (("reader", [Scope.READ]), ("manager", [Scope.READ, Scope.MANAGE]))
            ]
        )
        await told(gateway, "/api/analytics/performance", status=401)
        await told(gateway, "/api/analytics/performance", "reader")
        await told(gateway, "/api/analytics/timeseries?group_by=model", "reader")
        refused = await told(gateway, "/api/analytics/timeseries?group_by=user", "reader", 403)
        assert refused == {"detail": "group_by=user needs a key that may manage: it tells who asked"}
        assert (await told(gateway, "/api/analytics/values", "reader"))["users"] is None
        assert (await told(gateway, "/api/analytics/values", "manager"))["users"] == []
        await told(gateway, "/api/analytics/timeseries?group_by=key", "manager")


async def test_a_store_that_fails_says_so_in_the_documents_words(tmp_path: Path) -> None:
    async with (
        FakeUpstream(models=("fake",)) as upstream,
        running_gateway(tmp_path, upstreams=[{"url": upstream.url, "name": "one"}]) as gateway,
        httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30) as client,
    ):
        await client.post("/v1/chat/completions", content=ASK)
        await gateway.records()
        await run_sql(gateway.remuda.store, "ALTER TABLE rollup_marks RENAME TO elsewhere")
        assert await told(gateway, "/api/model-performance", status=503) == {
            "detail": "the journal does not answer at the moment"
        }
        await run_sql(gateway.remuda.store, "ALTER TABLE elsewhere RENAME TO rollup_marks")
