"""The bus over a real Redis."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from tests.fixtures.redis import RedisServer, private_redis, until

from remuda.core.clock import SystemClock
from remuda.core.ids import random_ids
from remuda.store.fanout_redis import RedisFanout, ping, redis_at


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with private_redis() as one:
        yield one


@asynccontextmanager
async def fanout_at(server: RedisServer, database: int = 0, silence_s: float = 5.0) -> AsyncIterator[RedisFanout]:
    fanout = RedisFanout(server.url(database), SystemClock(), random_ids(), silence_s=silence_s)
    fanout.start()
    yield fanout
    await fanout.close()


async def test_what_one_publishes_all_are_told_once(server: RedisServer):
    async with fanout_at(server) as here, fanout_at(server) as there, fanout_at(server, 1) as elsewhere:
        await until(lambda: here.is_connected and there.is_connected and elsewhere.is_connected)
        with here.subscribe("a") as mine, there.subscribe("a") as theirs, elsewhere.subscribe("a") as foreign:
            elsewhere.publish("a", b"another database")
            here.publish("b", b"another channel")
            here.publish("a", b"one")
            assert await anext(theirs) == await anext(mine) == b"one"
            there.publish("a", b"\x00two\xff")
            assert await anext(mine) == await anext(theirs) == b"\x00two\xff"
            assert await anext(foreign) == b"another database"


async def test_many_at_once_come_in_order(server: RedisServer):
    async with fanout_at(server) as here, fanout_at(server) as there:
        await until(lambda: here.is_connected and there.is_connected)
        with there.subscribe("a") as heard:
            for number in range(1000):
                here.publish("a", b"%d" % number)
            assert [int(await anext(heard)) for _ in range(1000)] == list(range(1000))


async def test_while_redis_is_gone_those_here_are_told_and_afterwards_all(server: RedisServer):
    async with fanout_at(server) as here, fanout_at(server) as there:
        await until(lambda: here.is_connected and there.is_connected)
        with here.subscribe("a") as mine, there.subscribe("a") as theirs:
            server.stop()
            await until(lambda: not here.is_connected and not there.is_connected)
            here.publish("a", b"lost to others")
            assert await anext(mine) == b"lost to others"
            server.start()
            await until(lambda: here.is_connected and there.is_connected)
            here.publish("a", b"again")
            assert await anext(theirs) == b"again"


async def test_a_redis_that_is_silent_is_as_good_as_gone(server: RedisServer):
    async with fanout_at(server, silence_s=0.05) as here:
        await until(lambda: here.is_connected)
        server.freeze()
        await until(lambda: not here.is_connected)
        server.thaw()
        await until(lambda: here.is_connected)


async def test_who_cannot_send_says_so_until_it_can(server: RedisServer):
    async with fanout_at(server) as here:
        await until(lambda: here.is_connected)
        server.freeze()
        here.publish("a", b"x")  # its answer does not come, long before silence is noticed
        await until(lambda: not here.is_connected)
        server.thaw()
        await until(lambda: here.is_connected)


async def test_one_that_starts_before_redis_does_finds_it(server: RedisServer):
    server.stop()
    async with fanout_at(server) as here:
        with here.subscribe("a") as mine:
            here.publish("a", b"alone")
            assert await anext(mine) == b"alone"
        assert not here.is_connected
        server.start()
        await until(lambda: here.is_connected)


async def test_which_redis_answers(server: RedisServer):
    assert int((await ping(server.url())).split(".")[0]) >= 5
    server.stop()
    with pytest.raises(OSError, match="connecting"):
        await ping(server.url())
    server.start()


def test_what_is_no_address_of_a_redis():
    with pytest.raises(ValueError, match="redis://"):
        redis_at("http://localhost")
