"""Document S3's alerts against a running gateway: rows 124-129, and what is ours."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.acceptance.test_webhooks import SECRET, verify
from tests.contract.store.samples import a_record
from tests.fixtures.gateway import RunningGateway
from tests.fixtures.post_office import PostOffice
from tests.fixtures.receiver import Receiver
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


async def test_told_by_webhook_and_by_mail_and_on_the_bus(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with Receiver() as receiver, PostOffice() as office:
        receiver.answers = [web.Response(status=500)]
        alerts = {
            "webhooks": [{"name": "ops", "url": receiver.url + "?token=s"}],
            "webhook_allow_private": ["127.0.0.0/8"],
            "mail": ["ops@example.org"],
        }
        mail = {"host": "127.0.0.1", "port": office.port, "encryption": "none", "sender": "remuda@example.org"}
        tasks = {"webhook_secret": SECRET, "webhook_backoff_s": 0.02}
        async with (
            gateway_before(upstream, data_dir=tmp_path, alerts=alerts, mail=mail, tasks=tasks) as gateway,
            client_of(gateway) as client,
        ):
            id_ = await only(client, **ERRORS, channels=["ops", "mail"])
            with gateway.remuda.fanout.subscribe("alerts") as bus:
                upstream.behave(fault=Fault.ERROR, status=400)
                await client.post(CHAT, json=BODY)
                await judged(gateway)
                assert json.loads(await anext(bus))["data"]["rule_id"] == id_
            first, again = await receiver.got(1), await receiver.got(2)
            assert first.body == again.body
            assert first.headers["webhook-id"] == again.headers["webhook-id"]
            verify(again)
            message = again.message
            assert (message["type"], message["data"]["message"]) == (
                "alert.fired",
                "Many errors: error_rate (100.0) gt 50.0",
            )
            assert message["data"]["event_id"] == (await client.get(EVENTS)).json()[0]["id"]
            told = await office.got(1)
            assert (told.to, told.message["Subject"]) == (["ops@example.org"], "Alert: Many errors")
            assert "error_rate (100.0) gt 50.0" in told.text
            upstream.behave()
            for _ in range(2):
                await client.post(CHAT, json=BODY)
            await judged(gateway)
            assert (await receiver.got(3)).message["type"] == "alert.resolved"
            assert (await office.got(2)).message["Subject"] == "Alert is over: Many errors"
            await client.post(f"{RULES}/{id_}/test")
            assert (await receiver.got(4)).message["type"] == "alert.test"
            assert (await office.got(3)).message["Subject"] == "Test of an alert: Many errors"
            deliveries = gateway.remuda.alerting.courier.counts
            await gateway.until(lambda: deliveries["delivered"] == 6, "all have heard it")
            log = (await client.get("/api/alerts/deliveries")).json()
            assert [each["state"] for each in log] == ["delivered"] * 6
            assert {each["url"] for each in log} == {receiver.url, "mailto:ops@example.org"}
            page = (await client.get("/metrics")).text
            assert 'remuda_alert_attempts_total{outcome="delivered"} 6.0' in page
            assert 'remuda_alert_attempts_total{outcome="failed"} 1.0' in page
            assert "remuda_alert_events_total 1.0" in page
            assert "remuda_alerts_open 0.0" in page
            assert (len(receiver.seen), len(office.seen)) == (4, 3)


async def test_a_webhook_goes_to_no_private_address(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with Receiver() as receiver:
        alerts = {"webhooks": [{"name": "ops", "url": receiver.url}]}
        tasks = {"webhook_max_attempts": 1}
        async with (
            gateway_before(upstream, data_dir=tmp_path, alerts=alerts, tasks=tasks) as gateway,
            client_of(gateway) as client,
        ):
            await client.post(f"{RULES}/1/test")
            await gateway.until(lambda: gateway.remuda.alerting.courier.counts["given_up"] == 1, "it was refused")
            [entry] = (await client.get("/api/alerts/deliveries")).json()
            assert (entry["state"], entry["status"]) == ("given_up", None)
            assert "no webhook is sent there" in entry["error"]
        assert receiver.seen == []


async def test_a_storm_slows_nobody_and_fills_nothing(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with gateway_before(upstream, data_dir=tmp_path) as gateway, client_of(gateway) as client:
        await only(client, **ERRORS)
        watch = gateway.remuda.alerting.watch
        failed = a_record(status=500, fault="upstream_failed")
        for _ in range(10_000 // 50):
            watch.take([failed] * 50)
        await watch.judge()
        for _ in range(10):
            watch.take([failed, *[a_record()] * 10])
            await watch.judge()
        assert len((await client.get(EVENTS)).json()) == 1
        assert (await client.post(CHAT, json=BODY)).status_code == 200
