"""Alerts, put together: what watches, what answers questions about it."""

from collections.abc import Callable, Iterable, Mapping

from remuda.app.settings import AlertSettings
from remuda.core.clock import Clock
from remuda.dialects.observe.alerts import AlertRoutes
from remuda.fleet.registry import Fleet
from remuda.fleet.replica import Replica, ReplicaState
from remuda.insight.alert_watch import AlertWatch
from remuda.insight.alerts import Alerts
from remuda.store.database import Store

DAY_S = 86_400.0


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
        settings: AlertSettings,
        store: Store,
        clock: Clock,
        fleet: Fleet,
        name: str,
        budgets: Callable[[], Mapping[str, float]],
    ) -> None:
        """`name` is never used again by another gateway; `budgets`: per cent that is used of each."""
        down_times = DownTimes(clock)
        self.watch = AlertWatch(
            store,
            clock,
            name,
            down_s=lambda: down_times.read(fleet.replicas()),
            budgets=budgets,
            retention_s=settings.retention_days * DAY_S,
        )
        self._alerts = Alerts(store, self.watch, clock)
        self.routes = AlertRoutes(self._alerts, clock, cooldown_s=settings.cooldown_s)

    async def renew(self) -> int:
        """Judge by the rules as the store holds them; returns the revision they were read at. Raises StoreError."""
        return await self._alerts.renew()

    def start(self) -> None:
        """Begin to watch."""
        self.watch.start()

    async def close(self) -> None:
        """Stop."""
        await self.watch.close()
