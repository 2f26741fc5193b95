"""What a machine draws, read from its own counters."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

POWERCAP: Final = Path("/sys/class/powercap")
PLATFORM: Final = "psys"
"""The zone of the whole machine, where it has one; all others are parts of it."""
MEASURED: Final = ("package-", "dram")
"""Zones that count where there is no such one; cores and the like are parts of packages."""


class Meter(Protocol):
    """Tells what something draws."""

    def watts(self) -> float | None:
        """On average since it was asked last, or now; None where that cannot be told at the moment. May take some
        milliseconds."""
        ...


class RaplMeter:
    """Processors and memory by RAPL, as Linux shows it. Most systems let only root read it."""

    def __init__(self, monotonic: Callable[[], float], folder: Path = POWERCAP) -> None:
        self._monotonic = monotonic
        self._zones = _zones_in(folder)
        self._last: tuple[float, Sequence[int]] | None = None

    @property
    def is_there(self) -> bool:
        """Whether there is anything that may be read."""
        return bool(self._zones) and self._read() is not None

    def watts(self) -> float | None:
        """See `Meter`."""
        now, last = self._monotonic(), self._last
        counts = self._read()
        self._last = None if counts is None else (now, counts)
        if counts is None or last is None or now <= last[0]:
            return None
        used = 0
        for zone, before, after in zip(self._zones, last[1], counts, strict=True):
            used += after - before if after >= before else after - before + _number_in(zone / "max_energy_range_uj")
        return used / 1e6 / (now - last[0])

    def _read(self) -> Sequence[int] | None:
        try:
            return [_number_in(zone / "energy_uj") for zone in self._zones]
        except (OSError, ValueError):
            return None


class NvmlMeter:
    """NVIDIA's processors, by its management library."""

    def __init__(self, nvml: Any) -> None:
        """`nvml`: the module `pynvml`, initialised."""
        self._nvml = nvml
        self._devices = [nvml.nvmlDeviceGetHandleByIndex(each) for each in range(nvml.nvmlDeviceGetCount())]

    def watts(self) -> float | None:
        """See `Meter`."""
        try:
            return float(sum(self._nvml.nvmlDeviceGetPowerUsage(device) for device in self._devices)) / 1000
        except self._nvml.NVMLError:
            return None


class Meters:
    """Several as one."""

    def __init__(self, meters: Sequence[Meter]) -> None:
        self._meters = meters

    def watts(self) -> float | None:
        """See `Meter`: of all, None where one of them does not tell."""
        total = 0.0
        for meter in self._meters:
            watts = meter.watts()
            if watts is None:
                return None
            total += watts
        return total


def meter_of_machine(monotonic: Callable[[], float], folder: Path = POWERCAP) -> Meter | None:
    """What measures this machine; None where nothing can."""
    found: list[Meter] = []
    rapl = RaplMeter(monotonic, folder)
    if rapl.is_there:
        found.append(rapl)
    nvml = _nvml()
    if nvml is not None:
        found.append(NvmlMeter(nvml))
    return Meters(found) if found else None


def _nvml() -> Any:
    """The library, initialised; None where it, the driver or a device is missing."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        return pynvml if pynvml.nvmlDeviceGetCount() else None
    except pynvml.NVMLError:
        return None


def _zones_in(folder: Path) -> Sequence[Path]:
    named: list[tuple[str, Path]] = []
    for zone in sorted(folder.glob("intel-rapl:*")):
        try:
            named.append(((zone / "name").read_text().strip(), zone))
        except OSError:
            continue
    platform = [zone for name, zone in named if name == PLATFORM]
    return platform or [zone for name, zone in named if name.startswith(MEASURED)]


def _number_in(path: Path) -> int:
    return int(path.read_text())
