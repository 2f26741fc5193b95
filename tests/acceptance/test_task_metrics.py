"""Document S2, rows 89 and 98: /metrics and /health of a gateway that answers tasks."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway
from tests.fixtures.tasks import client_of, gateway_before


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as fake:
        yield fake


async def scraped(gateway: RunningGateway) -> dict[str, float]:
    """All samples, as `name{label=value,...}`."""
    async with aiohttp.ClientSession(gateway.url) as http, http.get("/metrics") as answer:
        page = await answer.text()
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


async def test_the_documents_names(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with gateway_before(upstream, tmp_path, max_attempts=2) as gateway, client_of(gateway) as client:
        good = await client.submit(user_id="somebody")
        result = await client.result(good)
        upstream.behave(fault=Fault.ERROR)
        await client.result(await client.submit())
        await client.send("GET", "/status/no-such-task")
        await client.send("GET", "/no/such/route")
        found = await scraped(gateway)
    tokens = result["metrics"]["completion_tokens"]
    expected = {
        "http_requests_total{endpoint=/generate,method=POST,status=202}": 2,
        "http_requests_total{endpoint=/result/{task_id},method=GET,status=200}": 2,
        "http_requests_total{endpoint=/status/{task_id},method=GET,status=404}": 1,
        "http_requests_total{endpoint=none,method=GET,status=404}": 1,
        "http_request_duration_seconds_count{endpoint=/generate,method=POST}": 2,
        "tasks_submitted_total": 2,
        "tasks_completed_total{status=completed}": 1,
        "tasks_completed_total{status=failed}": 1,
        "task_queue_wait_seconds_count": 1,
        "task_processing_seconds_count{model=fake}": 1,
        "task_total_seconds_count": 1,
        "tokens_generated_total{model=fake}": tokens,
        "tokens_per_second_count{model=fake}": 1,
        "active_tasks": 0,
        "redis_connected": 1,
        "model_loaded": 1,
        "remuda_tasks_claimed_total": 3,
        "remuda_tasks_retries_total": 1,
        "remuda_tasks_ended_total{state=dead}": 1,
        "remuda_tasks_ended_total{state=completed}": 1,
        "remuda_webhook_attempts_total{outcome=delivered}": 0,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert not [name for name in found if good in name or "somebody" in name or "no-such" in name]


async def test_what_waits(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with gateway_before(upstream, tmp_path, workers=0) as gateway:
        async with client_of(gateway) as client:
            await client.submit()
            await client.submit(priority="background")
        gateway.server.should_exit = True
    async with gateway_before(upstream, tmp_path, workers=0) as gateway, client_of(gateway) as client:
        found: dict[str, float] = {}
        while "remuda_tasks_lag_seconds" not in found:
            found = await scraped(gateway)
        waiting = {name: value for name, value in found.items() if name.startswith("remuda_tasks_waiting")}
        assert waiting == {
            "remuda_tasks_waiting{priority=high}": 0,
            "remuda_tasks_waiting{priority=normal}": 1,
            "remuda_tasks_waiting{priority=low}": 0,
            "remuda_tasks_waiting{priority=background}": 1,
        }
        assert found["remuda_tasks_lag_seconds"] > 0


async def test_batches(upstream: FakeUpstream, tmp_path: Path) -> None:
    line = {
        "custom_id": "a",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "fake", "messages": [{"role": "user", "content": "hi"}]},
    }
    async with gateway_before(upstream, tmp_path) as gateway, client_of(gateway) as client:
        form = aiohttp.FormData({"purpose": "batch"})
        form.add_field("file", json.dumps(line), filename="in.jsonl")
        _, file = await client.send("POST", "/v1/files", data=form)
        asked = {"input_file_id": file["id"], "endpoint": line["url"], "completion_window": "24h"}
        _, batch = await client.send("POST", "/v1/batches", json=asked)
        while batch["status"] != "completed":
            _, batch = await client.send("GET", f"/v1/batches/{batch['id']}")
        found = await scraped(gateway)
        assert found["remuda_batch_lines_total{outcome=completed}"] == 1
        assert found["remuda_batch_lines_total{outcome=failed}"] == 0
    found = {}
    async with gateway_before(upstream, tmp_path) as gateway:
        while "remuda_batches{state=completed}" not in found:
            found = await scraped(gateway)
        assert (found["remuda_batches{state=completed}"], found["remuda_batches{state=in_progress}"]) == (1, 0)


async def test_health_has_every_field_of_the_document(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with gateway_before(upstream, tmp_path) as gateway, client_of(gateway):
        async with aiohttp.ClientSession(gateway.url) as http, http.get("/health") as answer:
            said = await answer.json()
        assert said | {"version": "1.0.0"} == {
            "status": "healthy",
            "redis_connected": True,
            "broker": "store",
            "model_loaded": True,
            "version": "1.0.0",
            "backend": "openai",
            "model": "fake",
            "available_models": ["fake"],
            "reasons": [],
        }
