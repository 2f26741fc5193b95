"""The bus of this gateway: within the process, or over Redis to others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from remuda.app.exits import CommandError, Exit
from remuda.app.settings import Settings
from remuda.core.clock import Clock
from remuda.core.ids import Ids
from remuda.telemetry.fanout import Fanout, MemoryFanout


@asynccontextmanager
async def running_fanout(settings: Settings, clock: Clock, ids: Ids) -> AsyncIterator[Fanout]:
    """The bus, until the context is left. Redis need not answer now or ever; raises CommandError where it cannot even
    be asked."""
    if settings.redis_url is None:
        yield MemoryFanout()
        return
    try:
        # Only imported where it is wanted: it need not be installed.
        from remuda.store.fanout_redis import RedisFanout
    except ImportError as error:
        raise CommandError(f"redis_url needs {error.name}: pip install 'remuda[redis]'", Exit.CONFIGURATION) from error
    fanout = RedisFanout(settings.redis_url.get_secret_value(), clock, ids)
    fanout.start()
    try:
        yield fanout
    finally:
        await fanout.close()
