"""`/metrics` of a process that serves nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from remuda.app.exits import CommandError, Exit
from remuda.core.hosts import Bind
from remuda.telemetry.metrics import Metrics

CLOSE_S: Final = 1.0
"""How long a scrape may take when the process is about to end."""


@asynccontextmanager
async def metrics_served(metrics: Metrics, bind: Bind) -> AsyncIterator[Bind]:
    """Answer scrapes at `bind`, to whoever asks, as a gateway does; where that is in the end. Raises CommandError
    (`Exit.BIND`)."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": metrics.content_type})

    app = web.Application()
    app.router.add_get("/metrics", page)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, bind.host, bind.port).start()
        except OSError as error:
            raise CommandError(f"cannot listen on {bind} for metrics: {error.strerror or error}", Exit.BIND) from error
        yield Bind(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()
