"""Who is told of alerts, in which words, and by which way."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from remuda.core.alert import AlertEvent, AlertRule, event_of
from remuda.core.clock import Clock
from remuda.core.delivery import AlertDelivery, AlertDeliveryEntry, ClaimedAlert, Sent
from remuda.core.ids import Ids
from remuda.core.moments import iso_time
from remuda.outbound.http import OutboundError
from remuda.outbound.mail import Mailer
from remuda.outbound.webhooks import Sender, send_signed
from remuda.store.alert_deliveries import alert_deliveries_page, keep_alert_deliveries
from remuda.store.alert_events import Tells
from remuda.store.database import Store

FIRED: Final = "alert.fired"
RESOLVED: Final = "alert.resolved"
TEST: Final = "alert.test"
MAILTO: Final = "mailto:"


class AlertTelling:
    """Puts down who is to be told; `AlertPost` sends it."""

    def __init__(self, store: Store, clock: Clock, ids: Ids, channels: Mapping[str, tuple[str, ...]]) -> None:
        """`channels`: by their names the URLs that a message goes to, webhooks' or `mailto:`."""
        self._store = store
        self._clock = clock
        self._ids = ids
        self.channels = channels

    def tell(self, rule: AlertRule, now: float) -> Tells:
        """Who is to be told of an event of `rule` at `now`."""
        return lambda event: [] if rule.is_muted(now) else self._deliveries(rule, event, type_of(event))

    async def test(self, rule: AlertRule) -> list[AlertDelivery]:
        """Tell everybody whom `rule` tells that this is a test, muted or not; whom. Raises StoreError."""
        now = self._clock.wall()
        deliveries = self._deliveries(rule, event_of(rule, rule.threshold, "", now), TEST)
        await keep_alert_deliveries(self._store, deliveries, rule_id=rule.id, now=now)
        return deliveries

    async def log(self, limit: int, *, before: int | None, event_id: int | None) -> list[AlertDeliveryEntry]:
        """The newest of what was sent, or is to be. Raises StoreError."""
        return await alert_deliveries_page(self._store, limit, before=before, event_id=event_id)

    def _deliveries(self, rule: AlertRule, event: AlertEvent, type_: str) -> list[AlertDelivery]:
        names = self.channels if rule.channels is None else rule.channels
        told = []
        for name in names:
            for url in self.channels.get(name, ()):  # the settings may have lost one since
                id_ = f"msg_{self._ids()}"
                told.append(AlertDelivery(id_, name, type_, url, message_of(id_, type_, event)))
        return told


class AlertPost:
    """Sends what `AlertTelling` put down."""

    def __init__(self, sender: Sender, key: Callable[[], bytes], mailer: Mailer | None) -> None:
        """`key` gives what webhooks are signed with, or raises ValueError."""
        self._sender = sender
        self._key = key
        self._mailer = mailer

    async def send(self, claim: ClaimedAlert, now: float) -> Sent:
        """What came of an attempt at the wall time `now`."""
        if not claim.url.startswith(MAILTO):
            body = claim.text.encode()
            return await send_signed(self._sender, self._key, claim.url, claim.message_id, body, now)
        if self._mailer is None:
            return Sent(is_delivered=False, error="the settings name no mail server any more")
        subject, text = mail_of(claim.text)
        to = claim.url.removeprefix(MAILTO)
        try:
            await self._mailer.send(to, subject, text, message_id=claim.message_id, now=now)
        except OutboundError as error:
            return Sent(is_delivered=False, status=error.status, error=str(error))
        return Sent(is_delivered=True)

    async def close(self) -> None:
        """Close what is open."""
        await self._sender.close()


def type_of(event: AlertEvent) -> str:
    """What kind of message tells `event`."""
    return FIRED if event.resolved_at is None else RESOLVED


def message_of(id_: str, type_: str, event: AlertEvent) -> str:
    """What is told, in JSON: a webhook's body."""
    is_over = event.resolved_at is not None
    data: dict[str, Any] = event._asdict()
    event_id = data.pop("id")
    data["triggered_at"] = iso_time(event.triggered_at)
    data["resolved_at"] = iso_time(event.resolved_at) if event.resolved_at is not None else None
    said = {
        "id": id_,
        "type": type_,
        "timestamp": data["resolved_at" if is_over else "triggered_at"],
        "data": {"event_id": event_id or None, **data},
    }
    return msgspec.json.encode(said).decode()


def mail_of(text: str) -> tuple[str, str]:
    """Subject and text of a mail that says what the webhook's body `text` says."""
    said = msgspec.json.decode(text)
    data = said["data"]
    word = {FIRED: "Alert", RESOLVED: "Alert is over", TEST: "Test of an alert"}[said["type"]]
    lines = [data["message"], "", f"Since: {data['triggered_at']}"]
    if data["resolved_at"]:
        lines.append(f"Until: {data['resolved_at']}")
    lines += [f"Rule: {data['rule_id']}", f"Event: {data['event_id'] or '-'}", ""]
    return f"{word}: {data['rule_name']}", "\n".join(lines)
