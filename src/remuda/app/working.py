"""The process of `remuda worker`: a worker on the gateway's store that has tasks answered by it."""

import asyncio
import logging
import signal
import sys

import aiohttp

from remuda import __version__
from remuda.app.durable import worker_name, worker_rules
from remuda.app.exits import CommandError, Exit
from remuda.app.insights import ledger_of
from remuda.app.settings import Settings
from remuda.core.chance import system_chance
from remuda.core.clock import SystemClock
from remuda.jobs.live import Live
from remuda.jobs.remote import RemoteRunner
from remuda.jobs.worker import Worker
from remuda.store.database import open_store
from remuda.store.errors import StoreError
from remuda.telemetry.logs import configure_logging

log = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Work until a signal ends it; the exit code."""
    if settings.tasks.workers == 0:
        raise CommandError("a worker that has no tasks at once does nothing: tasks.workers is 0", Exit.CONFIGURATION)
    secrets = [key] if (key := _key(settings)) else []
    with configure_logging(settings.log.level, settings.log.format, sys.stderr, secrets=secrets):
        return asyncio.run(_work(settings))


async def _work(settings: Settings) -> int:
    tasks = settings.tasks
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(number: int) -> None:
        if ended.done():
            raise KeyboardInterrupt  # told twice: at once
        ended.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        # Not by the loop's own way, which Windows has not.
        signal.signal(number, lambda number, frame: loop.call_soon_threadsafe(end, number))
    try:
        store = await open_store(settings.store_url, ledger_of(settings, SystemClock()))
    except StoreError as error:
        raise CommandError(str(error), Exit.STORE) from error
    headers = {"User-Agent": f"remuda-worker/{__version__}"}
    if key := _key(settings):
        headers["Authorization"] = f"Bearer {key}"
    try:
        async with aiohttp.ClientSession(tasks.gateway, headers=headers) as session:
            runner = RemoteRunner(session)
            worker = Worker(
                worker_name(), store, runner, runner.room, Live(), SystemClock(), system_chance, worker_rules(tasks)
            )
            worker.start()
            log.info("a worker for %s, %d tasks at once: Ctrl-C ends it", tasks.gateway, tasks.workers)
            ended_by = await ended
            await worker.close()
    finally:
        await store.close()
    return Exit.INTERRUPTED if ended_by == signal.SIGINT else Exit.OK


def _key(settings: Settings) -> str:
    key = settings.tasks.gateway_key
    return "" if key is None else key.get_secret_value()
