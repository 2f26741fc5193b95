"""Document S3's alerts against a running gateway: rows 124-129, and what is ours."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway
from tests.fixtures.shared import gateway_before

CHAT = "/v1/chat/completions"
BODY: dict[str, Any] = {"model": "fake", "messages": [{"role": "user", "content": "Hello"}]}
RULES, EVENTS = "/api/alerts/rules", "/api/alerts/events"
ERRORS: dict[str, Any] = {"name": "Many errors", "metric": "error_rate", "threshold": 50, "operator": "gt"}


@contextlib.asynccontextmanager
async def client_of(gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=60) as client:
        yield client


async def judged(gateway: RunningGateway) -> None:
    """What has been asked so far is judged now, and not within a second."""
    await gateway.at_rest()
    gateway.remuda.recorder.flush()
    await gateway.remuda.alerting.watch.judge()


async def only(client: httpx.AsyncClient, **rule: Any) -> int:
    """The one rule that there is."""
    for id_ in (1, 2, 3):
        assert (await client.delete(f"{RULES}/{id_}")).status_code == 200
    made = await client.post(RULES, json=rule)
    assert made.json()["message"] == "Alert rule created successfully"
    id_ = made.json()["id"]
    assert isinstance(id_, int)
    return id_


async def test_fired_once_and_resolved(upstream: FakeUpstream, gateway: RunningGateway) -> None:
    async with client_of(gateway) as client:
        rules = (await client.get(RULES)).json()
        assert [(rule["metric"], rule["operator"], rule["threshold"]) for rule in rules] == [
            ("latency", "gt", 5000.0),
            ("tokens_per_second", "lt", 10.0),
            ("error_rate", "gt", 10.0),
        ]
        await only(client, **ERRORS)
        upstream.behave(fault=Fault.ERROR, status=400)
        for _ in range(3):
            assert (await client.post(CHAT, json=BODY)).status_code == 400
        await gateway.until(lambda: gateway.remuda.alerting.watch.events == 1, "it was judged by itself")
        [event] = (await client.get(EVENTS)).json()
        assert set(event) == {
            "id",
            "rule_name",
            "metric_value",
            "threshold",
            "message",
            "triggered_at",
            "resolved_at",
        }
        assert event["message"] == "Many errors: error_rate (100.0) gt 50.0"
        assert (event["metric_value"], event["threshold"], event["resolved_at"]) == (100.0, 50.0, None)
        upstream.behave()
        for _ in range(3):
            assert (await client.post(CHAT, json=BODY)).status_code == 200
        await judged(gateway)
        [event] = (await client.get(EVENTS)).json()
        assert event["resolved_at"].endswith("Z")


async def test_what_is_open_outlives_a_restart(upstream: FakeUpstream, tmp_path: Path) -> None:
    rule = {"name": "Any", "metric": "latency", "threshold": 0, "operator": "gt", "model": "fake"}
    async with gateway_before(upstream, data_dir=tmp_path) as gateway, client_of(gateway) as client:
        id_ = await only(client, **rule)
        await client.post(CHAT, json=BODY)
        await judged(gateway)
        [event] = (await client.get(EVENTS)).json()
    async with gateway_before(upstream, data_dir=tmp_path) as gateway, client_of(gateway) as client:
        await client.post(CHAT, json=BODY)
        await judged(gateway)
        assert (await client.get(EVENTS)).json() == [event]
        assert [each["id"] for each in (await client.get(RULES)).json()] == [id_]
        assert (await client.patch(f"{RULES}/{id_}", json={"is_active": False})).status_code == 200
        [event] = (await client.get(EVENTS)).json()
        assert event["resolved_at"] is not None


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ({"metric": "latency", "operator": "gt", "threshold": 0}, None),
        ({"metric": "tokens_per_second", "operator": "lt", "threshold": 1e9, "replica": "one/fake"}, None),
        ({"metric": "ttft", "operator": "gt", "threshold": 0, "window_s": 60}, None),
        ({"metric": "queue_wait", "operator": "lt", "threshold": 1000}, 0.0),
        ({"metric": "cost", "operator": "eq", "threshold": 0}, 0.0),
        ({"metric": "truncation", "operator": "eq", "threshold": 0}, 0.0),
        ({"metric": "replica_down", "operator": "eq", "threshold": 0}, 0.0),
    ],
    ids=lambda value: value.get("metric", "") if isinstance(value, dict) else "",
)
async def test_metrics(gateway: RunningGateway, rule: dict[str, Any], value: float | None) -> None:
    async with client_of(gateway) as client:
        await only(client, name="It", **rule)
        await client.post(CHAT, json=BODY)
        await judged(gateway)
        [event] = (await client.get(EVENTS)).json()
        assert event["metric_value"] == value if value is not None else event["metric_value"] > 0
