"""How this machine and the gateway do, put together: as `/api/monitoring` tells it, now and over the last days."""

import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import psutil

from remuda.app.machine_minutes import keep_minutes
from remuda.app.machine_use import MachineReader
from remuda.app.settings import Settings
from remuda.app.standing import Standing
from remuda.core.clock import Clock
from remuda.core.moments import iso_time
from remuda.core.record import RequestRecord
from remuda.core.tasks import Tasks
from remuda.dialects.manage.monitoring import MonitoringRoutes
from remuda.dialects.manage.schemas import Disk, Memory, Models, Monitoring, Processors, Requests, System
from remuda.fleet.registry import Fleet
from remuda.insight.history import History, traffic_of
from remuda.store.aside import Aside
from remuda.store.database import Store

MIB: Final = 2**20


class Totals:
    """Requests that have ended, counted: a sink of the recorder."""

    def __init__(self) -> None:
        self.requests = 0
        self.duration_s = 0.0

    def take(self, records: Sequence[RequestRecord]) -> None:
        """Count them."""
        self.requests += len(records)
        self.duration_s += sum([record.duration_s for record in records])

    @property
    def mean_s(self) -> float:
        """Their mean duration; 0 where there were none."""
        return self.duration_s / self.requests if self.requests else 0.0


class Monitor:
    """Tells how things are now."""

    def __init__(
        self,
        folder: Path,
        machine: MachineReader,
        fleet: Fleet,
        totals: Totals,
        live: Callable[[], int],
        wall: Callable[[], float],
        uptime_s: Callable[[], float],
        engines_bytes: Callable[[], int],
    ) -> None:
        self._folder = folder
        self._machine = machine
        self._fleet = fleet
        self._totals = totals
        self._live = live
        self._wall = wall
        self._uptime_s = uptime_s
        self._engines_bytes = engines_bytes

    def read(self) -> Monitoring:
        """All of it; takes some milliseconds."""
        use = self._machine.read()
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(str(self._folder))
        models = self._fleet.models()
        active = sum(any(replica.is_routable for replica in model.replicas) for model in models if not model.chain)
        return Monitoring(
            timestamp=iso_time(self._wall()),
            system=System(
                cpu=Processors(
                    usage=use.cpu_percent,
                    cores=os.cpu_count() or 1,
                    loadAverage=[round(each, 2) for each in psutil.getloadavg()],
                ),
                memory=Memory(
                    used=memory.percent,
                    total=memory.total // MIB,
                    free=memory.available // MIB,
                    usagePercent=memory.percent,
                ),
                disk=Disk(used=disk.used, total=disk.total, free=disk.free, usagePercent=disk.percent),
            ),
            gpu=[],
            models=Models(
                active=active, total=sum(not model.chain for model in models), memoryUsage=self._engines_bytes() // MIB
            ),
            requests=Requests(
                total=self._totals.requests,
                active=self._live(),
                averageResponseTime=round(self._totals.mean_s * 1000, 1),
            ),
            uptime=int(self._uptime_s()),
        )


class Monitored:
    """What keeps an eye on this machine, and tells of it."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        fleet: Fleet,
        standing: Standing,
        aside: Aside,
        *,
        live: Callable[[], int],
    ) -> None:
        """`live`: how many requests are being answered."""
        self._settings = settings
        self._store = store
        self._clock = clock
        self.totals = Totals()
        monitor = Monitor(
            settings.data_dir,
            standing.machine,
            fleet,
            self.totals,
            live,
            clock.wall,
            standing.uptime_s,
            lambda: engines_bytes(aside.pid),
        )
        history = History(store, lambda start, end, step_s: aside.run(traffic_of, start, end, step_s))
        self.routes = MonitoringRoutes(monitor.read, history.read, clock.wall)

    def start(self, tasks: Tasks) -> None:
        """Begin to keep how busy the machine is."""
        reader = MachineReader(self._settings.data_dir, self._clock.monotonic)
        keeping = keep_minutes(self._store, self._clock, socket.gethostname()[:64], reader.busy)
        tasks.start(keeping, "how busy the machine is")


def engines_bytes(but: int | None) -> int:
    """What the engines on this machine hold in memory: all processes that this one has started, `but` that one."""
    held = 0
    for child in psutil.Process().children(recursive=True):
        try:
            held += child.memory_info().rss if child.pid != but else 0
        except psutil.Error:
            continue  # it has ended in between
    return held
