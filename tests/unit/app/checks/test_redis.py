"""Redis, as `remuda doctor` sees it."""

from remuda.app.checks.finding import Level
from remuda.app.checks.redis import check_redis
from remuda.app.settings import Settings
from tests.fixtures.redis import private_redis


async def test_nothing_is_said_where_none_is_set() -> None:
    assert await check_redis(Settings()) == []


async def test_one_that_answers_and_one_that_does_not() -> None:
    with private_redis() as server:
        settings = Settings(redis_url=server.url())
        [finding] = await check_redis(settings)
        assert (finding.level, finding.message.startswith("Redis ")) == (Level.OK, True)
        server.stop()
        [finding] = await check_redis(settings)
        assert finding.level is Level.WARN
        assert finding.message.startswith("it does not answer: ")
        server.start()
