"""The process of `remuda worker`: a worker on the gateway's store that has tasks answered by it."""

import asyncio
import logging
import signal
import sys
from contextlib import AsyncExitStack

import aiohttp

from remuda import __version__
from remuda.app.durable import worker_name, worker_rules
from remuda.app.exits import CommandError, Exit
from remuda.app.insights import ledger_of
from remuda.app.logs import secrets_of, worker_log_files
from remuda.app.metrics_listener import metrics_served
from remuda.app.settings import Settings
from remuda.app.task_readings import attach_worker_readings, completed_in
from remuda.core.chance import system_chance
from remuda.core.clock import Clock, SystemClock
from remuda.core.hosts import parse_bind
from remuda.jobs.live import Live
from remuda.jobs.remote import RemoteRunner
from remuda.jobs.worker import Worker
from remuda.store.database import open_store
from remuda.store.errors import StoreError
from remuda.telemetry.logs import configure_logging
from remuda.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


def run(settings: Settings, clock: Clock | None = None) -> int:
    """Work until a signal ends it; the exit code."""
    if settings.tasks.workers == 0:
        raise CommandError("a worker that has no tasks at once does nothing: tasks.workers is 0", Exit.CONFIGURATION)
    with (
        worker_log_files(settings.log) as files,
        configure_logging(
            settings.log.level, settings.log.format, sys.stderr, secrets=secrets_of(settings), files=files
        ),
    ):
        return asyncio.run(_work(settings, clock or SystemClock()))


async def _work(settings: Settings, clock: Clock) -> int:
    tasks = settings.tasks
    ended = _told_to_end()
    async with AsyncExitStack() as until_the_end:
        try:
            store = await open_store(settings.store_url, ledger_of(settings, clock))
        except StoreError as error:
            raise CommandError(str(error), Exit.STORE) from error
        until_the_end.push_async_callback(store.close)
        session = await until_the_end.enter_async_context(
            aiohttp.ClientSession(tasks.gateway, headers=_headers(settings))
        )
        runner, metrics = RemoteRunner(session), Metrics(__version__)
        worker = Worker(
            worker_name(),
            store,
            runner,
            runner.room,
            Live(),
            clock,
            system_chance,
            worker_rules(tasks),
            completed_in(metrics, clock),
        )
        attach_worker_readings(metrics, worker)
        if tasks.worker_metrics is not None:
            bind = await until_the_end.enter_async_context(metrics_served(metrics, parse_bind(tasks.worker_metrics)))
            log.info("metrics are at http://%s/metrics", bind)
        worker.start()
        log.info("a worker for %s, %d tasks at once: Ctrl-C ends it", tasks.gateway, tasks.workers)
        ended_by = await ended
        await worker.close()
    return Exit.INTERRUPTED if ended_by == signal.SIGINT else Exit.OK


def _told_to_end() -> asyncio.Future[int]:
    """The signal that ends the process, when it has come."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(number: int) -> None:
        if ended.done():
            raise KeyboardInterrupt  # told twice: at once
        ended.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        # Not by the loop's own way, which Windows has not.
        signal.signal(number, lambda number, frame: loop.call_soon_threadsafe(end, number))
    return ended


def _headers(settings: Settings) -> dict[str, str]:
    headers = {"User-Agent": f"remuda-worker/{__version__}"}
    if settings.tasks.gateway_key is not None:
        headers["Authorization"] = f"Bearer {settings.tasks.gateway_key.get_secret_value()}"
    return headers
