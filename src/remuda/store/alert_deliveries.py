"""Who is told of what came of alerts, and how that went: written in the transaction that it tells of."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select

from remuda.core.delivery import AlertDelivery, AlertDeliveryEntry, ClaimedAlert, DeliveryState
from remuda.store.database import Store
from remuda.store.leases import store_now
from remuda.store.outbox import Outbox, origin_of
from remuda.store.schema_alerts import alert_deliveries

_ENTRY: Final = tuple(alert_deliveries.c["id" if name == "message_id" else name] for name in AlertDeliveryEntry._fields)


def add_alert_deliveries(
    connection: Connection, deliveries: Sequence[AlertDelivery], rule_id: int, event_id: int | None, now: float
) -> None:
    """Within the transaction of an event (or of none, where it is a test): these are due from now on."""
    moment = store_now(connection, now)
    rows = [
        {
            "id": each.message_id,
            "event_id": event_id,
            "rule_id": rule_id,
            "type": each.type,
            "channel": each.channel,
            "url": each.url,
            "origin": origin_of(each.url),
            "state": DeliveryState.DUE.value,
            "due_at": moment,
            "created_at": moment,
            "claims": 0,
            "attempts": 0,
            "error": "",
            "text": each.text,
        }
        for each in deliveries
    ]
    if rows:
        connection.execute(insert(alert_deliveries), rows)


async def keep_alert_deliveries(store: Store, deliveries: Sequence[AlertDelivery], *, rule_id: int, now: float) -> None:
    """As `add_alert_deliveries`, in a transaction of its own."""
    await store.write(lambda connection: add_alert_deliveries(connection, deliveries, rule_id, None, now))


async def alert_deliveries_page(
    store: Store, limit: int, *, before: int | None = None, event_id: int | None = None
) -> list[AlertDeliveryEntry]:
    """The newest `limit` of the log, those older than the one with the number `before` where one is named."""
    d = alert_deliveries.c
    wanted = [] if before is None else [d.seq < before]
    if event_id is not None:
        wanted.append(d.event_id == event_id)
    query = select(*_ENTRY).where(*wanted).order_by(d.seq.desc()).limit(limit)
    return await store.read(lambda connection: [_entry_from(row) for row in connection.execute(query)])


def _entry_from(row: Row[Any]) -> AlertDeliveryEntry:
    entry = AlertDeliveryEntry._make(row)
    return entry._replace(state=DeliveryState(entry.state))


def _claim_from(row: Row[Any]) -> ClaimedAlert:
    return ClaimedAlert(
        row.seq, row.claims, row.sender, row.attempts, row.url, row.origin, row.id, row.rule_id, row.text
    )


ALERT_OUTBOX: Final = Outbox(alert_deliveries, _claim_from)
"""Those that are due."""
