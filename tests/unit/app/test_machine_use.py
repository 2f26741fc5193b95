"""How busy this machine is."""

from pathlib import Path

import pytest

from remuda.app.machine_use import SPAN_S, MachineReader, system_times
from remuda.testing.clock import FakeClock


async def test_it_is_read_once_a_second(tmp_path: Path) -> None:
    clock = FakeClock()
    reader = MachineReader(tmp_path, clock.monotonic)
    first = reader.read()
    assert all(0.0 <= value <= 100.0 for value in first)
    assert first.memory_percent > 0.0
    await clock.advance(SPAN_S / 2)
    assert reader.read() is first
    await clock.advance(SPAN_S)
    assert reader.read() is not first


@pytest.mark.parametrize(
    ("times", "percent"),
    [((110.0, 240.0), 25.0), ((100.0, 200.0), 0.0), ((140.0, 240.0), 100.0), ((90.0, 240.0), 0.0)],
    ids=["a quarter", "no time has passed", "all", "a clock that went back"],
)
def test_processors_at_work_are_seen(tmp_path: Path, times: tuple[float, float], percent: float) -> None:
    said = iter([(100.0, 200.0), times])
    reader = MachineReader(tmp_path, lambda: 0.0, lambda: next(said))
    assert reader.read().cpu_percent == percent


def test_the_system_tells_both_times() -> None:
    busy, total = system_times()
    assert 0.0 < busy < total
