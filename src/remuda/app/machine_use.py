"""How busy this machine is."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from remuda.dialects.control.health import MachineUse
from remuda.store.machine import Busy

SPAN_S: Final = 1.0
"""Processor time is compared over at least this long; whoever asks more often gets the last answer once more."""


class MachineReader:
    """Reads it, cheaply: a public page asks."""

    def __init__(
        self,
        folder: Path,
        monotonic: Callable[[], float],
        processor_times: Callable[[], tuple[float, float]] | None = None,
    ) -> None:
        self._folder = folder
        self._monotonic = monotonic
        self._processor_times = processor_times or system_times
        self._read_at = monotonic()
        self._times = self._processor_times()
        self._last: MachineUse | None = None

    def read(self) -> MachineUse:
        """How busy it is; the processors since the last reading, at first since this reader was made."""
        now = self._monotonic()
        if self._last is not None and now - self._read_at < SPAN_S:
            return self._last
        times = self._processor_times()
        total = times[1] - self._times[1]
        busy = times[0] - self._times[0]
        self._times, self._read_at = times, now
        self._last = MachineUse(
            cpu_percent=round(min(100.0, max(0.0, 100.0 * busy / total)), 1) if total > 0 else 0.0,
            memory_percent=psutil.virtual_memory().percent,
            disk_percent=psutil.disk_usage(str(self._folder)).percent,
        )
        return self._last

    def busy(self) -> Busy:
        """The same, as it is kept."""
        use = self.read()
        return Busy(use.cpu_percent, use.memory_percent)


def system_times() -> tuple[float, float]:
    """Seconds that all processors together have worked, and all there were."""
    times = psutil.cpu_times()
    counted = [value for name, value in times._asdict().items() if name not in ("guest", "guest_nice")]
    idle = times.idle + getattr(times, "iowait", 0.0)
    total = float(sum(counted))
    return total - idle, total
