"""Which bus a gateway has."""

import sys

import pytest

from remuda.app.exits import CommandError, Exit
from remuda.app.fanout import running_fanout
from remuda.app.settings import Settings
from remuda.core.clock import SystemClock
from remuda.core.ids import random_ids
from remuda.store.fanout_redis import RedisFanout
from remuda.telemetry.fanout import MemoryFanout

REDIS = Settings(redis_url="redis://127.0.0.1:1")


async def test_without_redis_it_ends_with_the_process() -> None:
    async with running_fanout(Settings(), SystemClock(), random_ids()) as fanout:
        assert isinstance(fanout, MemoryFanout)
        assert fanout.is_connected


async def test_a_redis_that_is_not_there_is_no_reason_not_to_begin() -> None:
    async with running_fanout(REDIS, SystemClock(), random_ids()) as fanout:
        assert isinstance(fanout, RedisFanout)
        assert not fanout.is_connected


async def test_what_is_to_be_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "remuda.store.fanout_redis", None)  # what Python does to make an import fail
    with pytest.raises(CommandError, match=r"pip install 'remuda\[redis\]'") as refused:
        async with running_fanout(REDIS, SystemClock(), random_ids()):
            pass
    assert refused.value.code == Exit.CONFIGURATION
