"""Meters: Linux' counters in files of our own, and NVIDIA's library played by an object."""

from pathlib import Path

import pytest

from remuda.insight.meters import Meters, NvmlMeter, RaplMeter, meter_of_machine


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def zone(folder: Path, number: str, name: str, energy_uj: int = 0, bound: int = 10**9) -> Path:
    path = folder / f"intel-rapl:{number}"
    path.mkdir()
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{energy_uj}\n")
    (path / "max_energy_range_uj").write_text(f"{bound}\n")
    return path


def test_packages_and_memory_are_added_up_and_counters_go_round(tmp_path):
    time = Time()
    package = zone(tmp_path, "0", "package-0", 900_000_000)
    zone(tmp_path, "0:0", "core", 5)
    memory = zone(tmp_path, "0:1", "dram", 0)
    meter = RaplMeter(time, tmp_path)
    assert meter.is_there
    assert meter.watts() is None
    (package / "energy_uj").write_text("0")
    (memory / "energy_uj").write_text("20000000")
    time.now = 2.0
    assert meter.watts() == (100 + 20) / 2
    assert meter.watts() is None  # no time has passed


def test_the_whole_machine_is_no_sum_of_its_parts(tmp_path):
    zone(tmp_path, "0", "package-0", 10)
    whole = zone(tmp_path, "1", "psys", 0)
    time = Time()
    meter = RaplMeter(time, tmp_path)
    meter.watts()
    (whole / "energy_uj").write_text("3000000")
    time.now = 1.0
    assert meter.watts() == 3.0


def test_what_may_not_be_read_is_no_meter(tmp_path):
    assert not RaplMeter(Time(), tmp_path / "nowhere").is_there
    package = zone(tmp_path, "0", "package-0")
    (package / "energy_uj").unlink()
    assert not RaplMeter(Time(), tmp_path).is_there
    (package / "energy_uj").write_text("many")
    assert RaplMeter(Time(), tmp_path).watts() is None
    (package / "name").unlink()
    assert not RaplMeter(Time(), tmp_path).is_there


class Nvml:
    """The library's part that is used."""

    class NVMLError(Exception):
        pass

    draws = (300_000, 50_500)
    is_lost = False

    def nvmlDeviceGetCount(self) -> int:
        return len(self.draws)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetPowerUsage(self, device: int) -> int:
        if self.is_lost:
            raise self.NVMLError
        return self.draws[device]


def test_all_devices_are_added_up():
    nvml = Nvml()
    meter = NvmlMeter(nvml)
    assert meter.watts() == 350.5
    nvml.is_lost = True
    assert meter.watts() is None


class Constant:
    def __init__(self, watts: float | None) -> None:
        self._watts = watts

    def watts(self) -> float | None:
        return self._watts


@pytest.mark.parametrize(("draws", "together"), [((), 0), ((1.0, 2.0), 3.0), ((1.0, None), None)])
def test_several_are_one(draws, together):
    assert Meters([Constant(each) for each in draws]).watts() == together


def test_a_machine_that_is_measured(tmp_path):
    zone(tmp_path, "0", "package-0")
    assert meter_of_machine(Time(), tmp_path) is not None
