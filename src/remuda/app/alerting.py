"""Alerts, put together: what watches, what tells others, what answers questions about it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from remuda import __version__
from remuda.app.durable import webhook_key
from remuda.app.sealing import Sealer
from remuda.app.settings import AlertSettings, MailSettings, Settings
from remuda.app.settings.alerts import MAIL
from remuda.core.chance import system_chance
from remuda.core.clock import Clock
from remuda.core.ids import random_ids
from remuda.dialects.observe.alerts import AlertRoutes
from remuda.fleet.registry import Fleet
from remuda.fleet.replica import Replica, ReplicaState
from remuda.insight.alert_telling import MAILTO, AlertPost, AlertTelling, message_of, type_of
from remuda.insight.alert_watch import AlertWatch
from remuda.insight.alerts import Alerts
from remuda.outbound.courier import Courier, CourierRules
from remuda.outbound.mail import Encryption, Mailer, MailServer
from remuda.outbound.webhooks import Reach, Sender
from remuda.store.alert_deliveries import ALERT_OUTBOX
from remuda.store.database import Store
from remuda.telemetry import catalogue_alerts as catalogue
from remuda.telemetry.fanout import Fanout
from remuda.telemetry.metrics import Metrics

CHANNEL: Final = "alerts"
"""Of the bus: what a webhook would be told, for whoever looks on."""
DAY_S: Final = 86_400.0
LOG_DAYS: Final = 90
"""How long the log of deliveries is kept where events are kept for ever."""
BEYOND_S: Final = 5.0
"""How much longer an attempt may take than the slower of webhooks and mail."""


class DownTimes:
    """For how long replicas have taken no requests, as far as anybody looked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def read(self, replicas: Iterable[Replica]) -> Mapping[str, float]:
        """Seconds by the replica's id; 0 for one that takes requests. One that is drained is not down."""
        now = self._clock.monotonic()
        is_down = {each.id: each.state is not ReplicaState.DRAINING and not each.is_routable for each in replicas}
        self._since = {id_: self._since.get(id_, now) for id_, down in is_down.items() if down}
        return {id_: now - self._since[id_] if down else 0.0 for id_, down in is_down.items()}


class Alerting:
    """What tells somebody that something is amiss."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        fleet: Fleet,
        name: str,
        sealer: Sealer,
        fanout: Fanout,
        budgets: Callable[[], Mapping[str, float]],
    ) -> None:
        """`name` is never used again by another gateway; `budgets`: per cent that is used of each."""
        alerts, tasks, mail = settings.alerts, settings.tasks, settings.mail
        down_times = DownTimes(clock)
        telling = AlertTelling(store, clock, random_ids(), channels_of(alerts))
        sender = Sender(
            Reach(alerts.webhook_allow_private), timeout_s=tasks.webhook_timeout_s, agent=f"remuda/{__version__}"
        )
        self._post = AlertPost(sender, lambda: webhook_key(settings, sealer), mailer_of(mail))
        self.courier = Courier(
            name,
            store,
            ALERT_OUTBOX,
            self._post.send,
            clock,
            system_chance,
            CourierRules(
                max_attempts=tasks.webhook_max_attempts,
                timeout_s=max(tasks.webhook_timeout_s, mail.timeout_s) + BEYOND_S,
                backoff_s=tasks.webhook_backoff_s,
                retention_s=(alerts.retention_days or LOG_DAYS) * DAY_S,
            ),
        )
        self.watch = AlertWatch(
            store,
            clock,
            name,
            down_s=lambda: down_times.read(fleet.replicas()),
            budgets=budgets,
            tell=telling.tell,
            on_event=lambda event: fanout.publish(CHANNEL, message_of("", type_of(event), event).encode()),
            retention_s=alerts.retention_days * DAY_S,
        )
        self._alerts = Alerts(store, self.watch, telling, clock)
        self.routes = AlertRoutes(self._alerts, clock, cooldown_s=alerts.cooldown_s)

    async def renew(self) -> int:
        """Judge by the rules as the store holds them; returns the revision they were read at. Raises StoreError."""
        return await self._alerts.renew()

    def attach_to(self, metrics: Metrics) -> None:
        """Let `metrics` ask how alerts stand."""
        metrics.attach(catalogue.OPEN, lambda: [((), self.watch.open)])
        metrics.attach(catalogue.EVENTS, lambda: [((), self.watch.events)])
        metrics.attach(catalogue.DROPPED, lambda: [((), self.watch.dropped)])
        metrics.attach(catalogue.DELIVERIES, lambda: [((word,), n) for word, n in self.courier.counts.items()])

    def start(self) -> None:
        """Begin to watch, and to tell."""
        self.watch.start()
        self.courier.start()

    async def close(self) -> None:
        """Stop. What is under way is due again."""
        await self.watch.close()
        await self.courier.close()
        await self._post.close()


def channels_of(alerts: AlertSettings) -> Mapping[str, tuple[str, ...]]:
    """By the name of each channel the URLs that its messages go to."""
    channels: dict[str, tuple[str, ...]] = {
        str(webhook.name): (webhook.url.get_secret_value(),) for webhook in alerts.webhooks
    }
    if alerts.mail:
        channels[MAIL] = tuple(f"{MAILTO}{address}" for address in alerts.mail)
    return channels


def mailer_of(mail: MailSettings) -> Mailer | None:
    """Who takes our mail; None where nobody does."""
    if mail.host is None:
        return None
    return Mailer(
        MailServer(
            mail.host,
            mail.port,
            Encryption(mail.encryption),
            mail.user,
            mail.password.get_secret_value() if mail.password is not None else "",
            mail.sender,
            mail.timeout_s,
            str(mail.ca_file) if mail.ca_file is not None else None,
        )
    )
