"""The mock and the generator together, in short: what one sends, the other understands."""

import sys

import pytest
from bench.targets import TARGETS

from bench import loads, machine

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the benchmark reads /proc"),
    pytest.mark.skipif(machine.tool("cc") is None, reason="no C compiler"),
]


def test_direct_streams_lose_nothing_and_requests_all_succeed() -> None:
    with loads.stage() as stage, stage.running(TARGETS["direct"]) as live:
        done = stage.load(live, "req", c=4, t=5, r=0, N=50)
        assert (done["ok"], done["bad"], done["started"]) == (50, 0, 50)
        streamed = stage.load(live, "stream", c=4, t=5, n=20, d=1, R=1, N=8)
        assert (streamed["ok"], streamed["chunks"], streamed["lost"], streamed["no_done"]) == (8, 160, 0, 0)
        left = stage.load(live, "abort", c=5, t=1, n=1000, d=1000, R=1, a=100)
        assert (left["inflight"], left["bad"]) == (5, 0)
        stats = stage.mock.stats()
        assert (stats["reqs"], stats["streams"]) == (50 + 8 + 5, 8 + 5)
