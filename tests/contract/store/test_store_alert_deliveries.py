"""Who is told of alerts, on each kind of database."""

from tests.contract.store.samples import NOON

from remuda.core.delivery import AlertDelivery, DeliveryState, Sent
from remuda.store import Store
from remuda.store.alert_deliveries import ALERT_OUTBOX, alert_deliveries_page, keep_alert_deliveries

WELL = Sent(is_delivered=True, status=204)


async def test_due_claimed_settled_and_listed(store: Store):
    told = [AlertDelivery(f"msg_{n}", "ops", "alert.test", f"http://Host{n}/x?y", "{}") for n in range(3)]
    await keep_alert_deliveries(store, told, rule_id=7, now=NOON)
    await keep_alert_deliveries(store, [], rule_id=7, now=NOON)
    assert await ALERT_OUTBOX.has_due(store, NOON)
    first, *_ = await ALERT_OUTBOX.claim(store, "s", 2, NOON, 3600.0)
    assert (first.message_id, first.url, first.origin, first.rule_id, first.text) == (
        "msg_0",
        "http://Host0/x?y",
        "http://host0",
        7,
        "{}",
    )
    assert first.about == "alert rule 7"
    await ALERT_OUTBOX.settle(store, first, WELL, NOON, again_s=None, retention_s=3600.0)
    third, second, log = await alert_deliveries_page(store, 9)
    assert [third.state, second.state, log.state] == [
        DeliveryState.DUE,
        DeliveryState.SENDING,
        DeliveryState.DELIVERED,
    ]
    assert (log.message_id, log.channel, log.type, log.event_id, log.rule_id, log.attempts, log.status) == (
        "msg_0",
        "ops",
        "alert.test",
        None,
        7,
        1,
        204,
    )
    assert [entry.message_id for entry in await alert_deliveries_page(store, 1, before=third.seq)] == ["msg_1"]
    assert await alert_deliveries_page(store, 9, event_id=1) == []
