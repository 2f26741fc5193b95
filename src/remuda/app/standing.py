"""How the gateway's parts stand: whether requests should come here, and what health pages say."""

import logging
from typing import Final

from remuda.app.machine_use import MachineReader
from remuda.app.settings import Settings
from remuda.core.clock import Clock
from remuda.dialects.control.health import Vitals
from remuda.dialects.control.routes import Broker
from remuda.dialects.control.schemas import BrokerKind
from remuda.engines.local import LocalModels
from remuda.fleet.registry import Fleet
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.telemetry.fanout import Fanout

log = logging.getLogger(__name__)

STORE_CHECK_S: Final = 2.0
"""How often it is looked whether the store answers."""


class Standing:
    """Answers at once, from what was seen last."""

    def __init__(
        self, settings: Settings, store: Store, fleet: Fleet, local: LocalModels, fanout: Fanout, clock: Clock
    ) -> None:
        self._settings = settings
        self._store = store
        self._fleet = fleet
        self._local = local
        self._fanout = fanout
        self._clock = clock
        self._started = clock.monotonic()
        self.machine = MachineReader(settings.data_dir, clock.monotonic)
        self._is_store_up = True
        self.is_draining = False
        """The gateway has been told to end."""

    def unready(self) -> list[str]:
        """Why no requests should be sent here at the moment; empty when they should."""
        reasons = []
        if self.is_draining:
            reasons.append("the gateway is shutting down")
        if not self._is_store_up:
            reasons.append("the store does not answer")
        if not self._fleet.is_offering:
            reasons.append("no model is known")
        if (reason := self.unservable()) is not None:
            reasons.append(reason)
        return reasons

    def unservable(self) -> str | None:
        """Why no request can be answered, where that is because every local model fails."""
        if any(replica.is_routable for replica in self._fleet.replicas()):
            return None
        return self._local.unservable()

    def vitals(self) -> Vitals:
        """How the parts are."""
        return Vitals(
            now=self._clock.wall(),
            uptime_s=self.uptime_s(),
            is_draining=self.is_draining,
            is_store_up=self._is_store_up,
            has_working_engine=self._has_working_engine(),
            machine=self.machine.read(),
        )

    def uptime_s(self) -> float:
        """Since when the gateway runs."""
        return self._clock.monotonic() - self._started

    def broker(self) -> Broker:
        """What keeps tasks, as it was when it was looked at last."""
        kind: BrokerKind = "store" if self._settings.redis_url is None else "store+redis"
        return Broker(kind, self._is_store_up, self._fanout.is_connected)

    async def watch_store(self) -> None:
        """Look now and then whether the store answers, until cancelled."""
        while True:
            await self._clock.sleep(STORE_CHECK_S)
            try:
                await self._store.revision()
                self._is_store_up = True
            except StoreError as error:
                if self._is_store_up:
                    log.warning("the store does not answer: %s", error)
                self._is_store_up = False

    def _has_working_engine(self) -> bool:
        """Whether somebody can answer, perhaps after a load."""
        is_local_usable = bool(self._local.states()) and self._local.unservable() is None
        return is_local_usable or any(replica.is_routable for replica in self._fleet.replicas())
