"""How things are now."""

import subprocess
import sys

from remuda.app.machine_use import MachineReader
from remuda.app.monitoring import Monitor, Totals, engines_bytes
from remuda.fleet.replica import ReplicaState
from tests.contract.store.samples import a_record
from tests.fixtures.asgi import fleet_of, replica


def test_it_tells_what_is_there(tmp_path):
    totals = Totals()
    assert totals.mean_s == 0.0
    totals.take([a_record(duration_s=1.0), a_record(duration_s=2.0)])
    fleet = fleet_of(replica("a"), replica("b", state=ReplicaState.STANDBY), aliases={"c": "a"})
    machine = MachineReader(tmp_path, lambda: 0.0)
    told = Monitor(
        tmp_path, machine, fleet, totals, lambda: 2, lambda: 1705312800.0, lambda: 3600.9, lambda: 3 * 2**20
    ).read()
    assert (told.timestamp, told.uptime) == ("2024-01-15T10:00:00Z", 3600)
    assert (told.requests.total, told.requests.active, told.requests.averageResponseTime) == (2, 2, 1500.0)
    assert (told.models.active, told.models.total, told.models.memoryUsage) == (1, 2, 3)
    assert 0 < told.system.memory.free <= told.system.memory.total
    assert told.system.disk.used + told.system.disk.free <= told.system.disk.total
    assert told.system.cpu.cores >= 1
    assert len(told.system.cpu.loadAverage) == 3
    assert told.gpu == []


def test_what_engines_hold_but_one_that_is_none():
    before = engines_bytes(None)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert engines_bytes(child.pid) == before
        assert child.stdin is not None
        child.stdin.close()
