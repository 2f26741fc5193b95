"""The bus within one process."""

import asyncio

from remuda.telemetry.fanout import MemoryFanout


async def test_everybody_who_listens_is_told_in_order() -> None:
    fanout = MemoryFanout()
    fanout.publish("a", b"before")
    with fanout.subscribe("a") as first, fanout.subscribe("a") as second, fanout.subscribe("b") as other:
        for word in (b"one", b"two"):
            fanout.publish("a", word)
        fanout.publish("b", b"else")
        for subscription in (first, second):
            assert [await anext(subscription), await anext(subscription)] == [b"one", b"two"]
        assert await anext(other) == b"else"
    fanout.publish("a", b"after")  # to nobody


async def test_who_waits_is_woken() -> None:
    fanout = MemoryFanout()
    with fanout.subscribe("a") as messages:
        waiting = asyncio.ensure_future(anext(messages))
        await asyncio.sleep(0)
        fanout.publish("a", b"one")
        assert await waiting == b"one"


async def test_who_is_slow_loses_what_is_oldest_and_can_tell() -> None:
    fanout = MemoryFanout(max_waiting=2)
    with fanout.subscribe("a") as slow:
        for word in (b"1", b"2", b"3"):
            fanout.publish("a", word)
        assert slow.lost == 1
        assert [await anext(slow), await anext(slow)] == [b"2", b"3"]
