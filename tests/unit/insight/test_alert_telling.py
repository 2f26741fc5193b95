"""Who is told of alerts, and in which words."""

import json
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from remuda.core.alert import event_of
from remuda.core.delivery import ClaimedAlert
from remuda.insight.alert_telling import AlertPost, AlertTelling, mail_of, message_of
from remuda.outbound.mail import Encryption, Mailer, MailServer
from remuda.outbound.webhooks import Reach, Sender
from remuda.store import Store, open_store, store_url_in
from remuda.store.alert_deliveries import ALERT_OUTBOX
from remuda.store.alert_events import open_event, resolve_event
from remuda.testing.clock import FakeClock
from tests.fixtures.asgi import count_up
from tests.fixtures.post_office import PostOffice
from tests.fixtures.receiver import Receiver
from tests.unit.core.test_alert import a_rule

AT = 1737110700.0
CHANNELS = {"ops": ("http://ops/",), "mail": ("mailto:a@h", "mailto:b@h")}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
def telling(store: Store) -> AlertTelling:
    return AlertTelling(store, FakeClock(wall=AT), count_up(), CHANNELS)


async def fire(store: Store, telling: AlertTelling, **fields):
    rule = a_rule(**fields)
    event = event_of(rule, 6500.0, "", AT)
    return await open_event(store, event, holder="g", held_s=1.0, cooldown_s=0.0, tells=telling.tell(rule, AT))


async def due(store: Store) -> list[tuple[str, str]]:
    claims = await ALERT_OUTBOX.claim(store, "s", 10, AT, 60.0)
    return [(claim.url, json.loads(claim.text)["type"]) for claim in claims]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, ["http://ops/", "mailto:a@h", "mailto:b@h"]),
        ({"channels": ("ops",)}, ["http://ops/"]),
        ({"channels": ()}, []),
        ({"channels": ("gone", "mail")}, ["mailto:a@h", "mailto:b@h"]),
        ({"muted_until": AT + 1}, []),
        ({"muted_until": AT}, ["http://ops/", "mailto:a@h", "mailto:b@h"]),
    ],
)
async def test_who_is_told(store: Store, telling: AlertTelling, fields, told):
    await fire(store, telling, **fields)
    assert await due(store) == [(url, "alert.fired") for url in told]


async def test_told_again_when_it_is_over(store: Store, telling: AlertTelling):
    event = await fire(store, telling, channels=("ops",))
    rule = a_rule(channels=("ops",))
    await resolve_event(store, event.id, holder="g", now=AT + 60, tells=telling.tell(rule, AT + 60))
    assert await due(store) == [("http://ops/", "alert.fired")]
    assert [entry.event_id for entry in await telling.log(9, before=None, event_id=event.id)] == [event.id] * 2
    assert [claim.url for claim in await ALERT_OUTBOX.claim(store, "s", 10, AT + 60, 60.0)]


async def test_a_test_goes_out_also_of_a_muted_rule(store: Store, telling: AlertTelling):
    told = await telling.test(a_rule(muted_until=AT + 60, channels=("ops",)))
    assert [(each.channel, each.type) for each in told] == [("ops", "alert.test")]
    assert await due(store) == [("http://ops/", "alert.test")]


def test_the_words():
    event = event_of(a_rule(id=2), 6500.0, "one/m", AT)._replace(id=7, resolved_at=AT + 60)
    said = json.loads(message_of("msg_1", "alert.resolved", event))
    assert said == {
        "id": "msg_1",
        "type": "alert.resolved",
        "timestamp": "2025-01-17T10:46:00Z",
        "data": {
            "event_id": 7,
            "rule_id": 2,
            "rule_name": "High Latency Alert",
            "subject": "one/m",
            "key_id": "",
            "metric": "latency",
            "operator": "gt",
            "metric_value": 6500.0,
            "threshold": 5000.0,
            "message": "High Latency Alert: latency (6500.0) gt 5000.0 [one/m]",
            "triggered_at": "2025-01-17T10:45:00Z",
            "resolved_at": "2025-01-17T10:46:00Z",
        },
    }
    subject, text = mail_of(json.dumps(said))
    assert subject == "Alert is over: High Latency Alert"
    assert text == (
        "High Latency Alert: latency (6500.0) gt 5000.0 [one/m]\n\n"
        "Since: 2025-01-17T10:45:00Z\nUntil: 2025-01-17T10:46:00Z\nRule: 2\nEvent: 7\n"
    )


def claim(url: str) -> ClaimedAlert:
    text = message_of("msg_1", "alert.test", event_of(a_rule(), 1.0, "", AT))
    return ClaimedAlert(1, 1, "s", 1, url, "o", "msg_1", 1, text)


async def test_sent():
    async with Receiver() as receiver, PostOffice() as office:
        server = MailServer("127.0.0.1", office.port, Encryption.NONE, "", "", "r@h")
        sender = Sender(Reach([ip_network("127.0.0.0/8")]), timeout_s=5.0, agent="t")
        post = AlertPost(sender, lambda: b"k", Mailer(server))
        assert (await post.send(claim(receiver.url), AT)).status == 204
        assert receiver.seen[0].message["id"] == receiver.seen[0].headers["webhook-id"] == "msg_1"
        assert (await post.send(claim("mailto:a@h"), AT)).is_delivered
        assert office.seen[0].message["Subject"] == "Test of an alert: High Latency Alert"
        office.answers = ["452 full"]
        refused = await post.send(claim("mailto:a@h"), AT)
        assert (refused.is_delivered, refused.status) == (False, 452)
        assert not (await AlertPost(sender, lambda: b"k", None).send(claim("mailto:a@h"), AT)).is_delivered
        await post.close()
