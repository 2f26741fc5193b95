"""Alerts as clients see them: the routes over a real store."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from remuda.core.alert import event_of
from remuda.core.keys import Scope
from remuda.dialects.observe.alerts import AlertRoutes
from remuda.insight.alert_telling import AlertTelling
from remuda.insight.alert_watch import AlertWatch
from remuda.insight.alerts import Alerts
from remuda.store import Store, open_store, store_url_in
from remuda.store.alert_events import open_event
from remuda.testing.clock import FakeClock
from tests.fixtures.asgi import client, count_up, parts
from tests.unit.core.test_alert import a_rule

RULES = "/api/alerts/rules"
WHOLE: dict[str, Any] = {"name": "High Latency Alert", "metric": "latency", "threshold": 5000.0, "operator": "gt"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
def routes(store: Store) -> AlertRoutes:
    clock = FakeClock(wall=1737108000.0)
    telling = AlertTelling(store, clock, count_up(), {"ops": ("https://h/hook?token=s", "mailto:ops@h")})
    return AlertRoutes(Alerts(store, AlertWatch(store, clock, "g"), telling, clock), clock)


@pytest.fixture
async def caller(routes: AlertRoutes) -> AsyncIterator[httpx.AsyncClient]:
    async with client(parts(observe=(routes,))) as one:
        yield one


async def test_the_life_of_a_rule(caller: httpx.AsyncClient):
    made = await caller.post(RULES, json=WHOLE | {"is_active": True})
    assert (made.status_code, made.json()) == (200, {"id": 4, "message": "Alert rule created successfully"})
    shown = WHOLE | {"id": 4, "is_active": True, "created_at": "2025-01-17T10:00:00Z"}
    assert (await caller.get(f"{RULES}/4")).json() == shown
    listed = (await caller.get(RULES)).json()
    assert [rule["id"] for rule in listed] == [1, 2, 3, 4]
    assert listed[3] == shown
    changed = await caller.patch(f"{RULES}/4", json={"is_active": False, "window_s": 60})
    assert changed.json() == shown | {"is_active": False, "window_s": 60.0}
    assert (await caller.put(f"{RULES}/4", json=WHOLE)).json() == shown
    assert (await caller.delete(f"{RULES}/4")).json() == {"message": "Alert rule deleted"}
    for answer in (
        await caller.get(f"{RULES}/4"),
        await caller.delete(f"{RULES}/4"),
        await caller.delete(f"{RULES}/x"),
        await caller.patch(f"{RULES}/4", json={}),
        await caller.post(f"{RULES}/4/mute", json={"minutes": 1}),
    ):
        assert (answer.status_code, answer.json()) == (404, {"detail": "Alert rule not found"})


async def test_muted(caller: httpx.AsyncClient):
    muted = await caller.post(f"{RULES}/1/mute", json={"minutes": 90})
    assert muted.json()["muted_until"] == "2025-01-17T11:30:00Z"
    muted = await caller.post(f"{RULES}/1/mute", json={"until": "2025-01-17T13:00:00+01:00"})
    assert muted.json()["muted_until"] == "2025-01-17T12:00:00Z"
    assert "muted_until" not in (await caller.post(f"{RULES}/1/mute", json={"minutes": 0})).json()
    for body in (
        {},
        {"minutes": 1, "until": "2025-01-17T13:00:00Z"},
        {"minutes": -1},
        {"minutes": 1e9},
        {"until": "2025-01-17T09:00:00Z"},
        {"until": "2025-01-17T13:00:00"},
        {"until": "tomorrow"},
    ):
        refused = await caller.post(f"{RULES}/1/mute", json=body)
        assert (refused.status_code, list(refused.json())) == (400, ["detail"]), body


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metric": "speed"}, "metric is one of latency, tokens_per_second, error_rate"),
        ({"operator": ">"}, "operator is one of gt, lt, eq"),
        ({"threshold": "high"}, "'threshold'"),
        ({"threshold": True}, "'threshold'"),
        ({"threshold": None}, "'threshold'"),
        ({"name": " "}, "name is 1 to 200"),
        ({"is_active": "yes"}, "'is_active'"),
        ({"channels": ["nobody"]}, "there is no channel 'nobody'; the settings have ops"),
        ({"channels": "ops"}, "'channels'"),
        ({"window_s": 1}, "window_s is a number from 10"),
    ],
)
async def test_what_is_no_rule(caller: httpx.AsyncClient, change: dict[str, Any], says: str):
    for answer in (await caller.post(RULES, json=WHOLE | change), await caller.patch(f"{RULES}/1", json=change)):
        assert answer.status_code == 400
        assert says in answer.json()["detail"]
    assert len((await caller.get(RULES)).json()) == 3


async def test_what_is_no_body(caller: httpx.AsyncClient):
    for body in (b"", b"{", b"[]", b"null", b'{"name": "n"}'):
        answer = await caller.post(RULES, content=body)
        assert (answer.status_code, list(answer.json())) == (400, ["detail"]), body


async def test_there_is_room_for_so_many(caller: httpx.AsyncClient):
    for _ in range(197):
        await caller.post(RULES, json=WHOLE)
    refused = await caller.post(RULES, json=WHOLE)
    assert (refused.status_code, refused.json()) == (409, {"detail": "there are 200 alert rules already"})


async def test_events(caller: httpx.AsyncClient, store: Store):
    for number in range(1, 61):
        event = event_of(a_rule(id=number), 6500.0, "", 1737108000.0)
        await open_event(store, event, holder="g", held_s=1.0, cooldown_s=1.0)
    events = (await caller.get("/api/alerts/events")).json()
    assert [event["id"] for event in events] == list(range(60, 10, -1))
    assert events[0] == {
        "id": 60,
        "rule_name": "High Latency Alert",
        "metric_value": 6500.0,
        "threshold": 5000.0,
        "message": "High Latency Alert: latency (6500.0) gt 5000.0",
        "triggered_at": "2025-01-17T10:00:00Z",
        "resolved_at": None,
    }
    more = (await caller.get("/api/alerts/events?limit=3&before=11&open=true")).json()
    assert [event["id"] for event in more] == [10, 9, 8]
    assert [event["id"] for event in (await caller.get("/api/alerts/events?rule_id=7")).json()] == [7]
    for query in ("limit=0", "limit=1001", "limit=x", "before=-1", "open=perhaps", "rule_id=x"):
        answer = await caller.get(f"/api/alerts/events?{query}")
        assert answer.status_code == 400
        assert answer.json()["detail"].startswith(query.partition("=")[0])


async def test_a_test_tells_whom_the_rule_tells(caller: httpx.AsyncClient):
    told = await caller.post(f"{RULES}/1/test")
    assert (told.status_code, told.json()) == (
        202,
        {"message": "Test alert queued", "deliveries": ["msg_1", "msg_2"]},
    )
    mail, hook = (await caller.get("/api/alerts/deliveries")).json()
    assert (hook["id"], hook["url"], mail["url"]) == ("msg_1", "https://h/hook", "mailto:ops@h")
    assert hook | {"id": "", "number": 0, "url": ""} == mail | {"id": "", "number": 0, "url": ""}
    assert (hook["state"], hook["type"], hook["event_id"], hook["channel"]) == ("due", "alert.test", None, "ops")
    assert [each["id"] for each in (await caller.get("/api/alerts/deliveries?limit=1&before=2")).json()] == ["msg_1"]
    assert (await caller.get("/api/alerts/deliveries?event_id=9")).json() == []
    await caller.patch(f"{RULES}/1", json={"channels": []})
    assert (await caller.post(f"{RULES}/1/test")).json()["deliveries"] == []
    assert (await caller.post(f"{RULES}/9/test")).status_code == 404
    assert (await caller.get("/api/alerts/events")).json() == []


async def test_who_may(routes: AlertRoutes):
    made = parts(keyed=True, observe=(routes,))
    for scope in Scope:
        reads, manages = scope is not Scope.INFERENCE, scope in (Scope.MANAGE, Scope.ADMIN)
        async with client(made, scope=scope) as caller:
            assert (await caller.get(RULES)).status_code == (200 if reads and scope is not Scope.MANAGE else 403), scope
            assert (await caller.post(RULES, json=WHOLE)).status_code == (200 if manages else 403), scope


async def test_a_reader_sees_what_is_about_all_keys_or_its_own(routes: AlertRoutes, store: Store):
    made = parts(keyed=True, observe=(routes,))
    async with client(made, scope=Scope.ADMIN) as admin, client(made, scope=Scope.READ) as reader:
        for key_id in ("key_read", "key_other"):
            id_ = (await admin.post(RULES, json=WHOLE | {"key_id": key_id})).json()["id"]
            event = event_of(replace(a_rule(id=id_), key_id=key_id), 1.0, "", 0.0)
            await open_event(store, event, holder="g", held_s=1.0, cooldown_s=1.0)
        assert len((await admin.get(RULES)).json()) == 5
        assert [rule["id"] for rule in (await reader.get(RULES)).json()] == [1, 2, 3, 4]
        assert (await reader.get(f"{RULES}/5")).status_code == 404
        assert len((await admin.get("/api/alerts/events")).json()) == 2
        assert len((await reader.get("/api/alerts/events")).json()) == 1
