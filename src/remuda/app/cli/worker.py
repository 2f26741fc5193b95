"""`remuda worker`: work on tasks, beside the gateway or on another machine."""

from typing import Annotated

import typer

from remuda.app.cli.options import Config, Data, settings_from


def worker(
    gateway: Annotated[
        str | None,
        typer.Option(help="The gateway that answers. Default: http://127.0.0.1:7368.", metavar="URL"),
    ] = None,
    concurrency: Annotated[int | None, typer.Option(help="Tasks at once. Default: 16.", metavar="NUMBER")] = None,
    data: Data = None,
    config: Config = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.", metavar="LEVEL")] = None,
    log_format: Annotated[str | None, typer.Option(help="pretty, json or auto.", metavar="FORMAT")] = None,
) -> None:
    """Work on tasks: claim them from the store, and have a gateway answer them.

    Shares the store of the gateway (the same --data, or the same database), and needs a key of it with the scope admin
    once keys exist: the setting tasks.gateway_key, or the variable REMUDA_TASKS__GATEWAY_KEY. Any number of workers may
    work; what one of them leaves behind when it dies, another takes up.
    """
    settings = settings_from(
        config, data=data, gateway=gateway, concurrency=concurrency, log_level=log_level, log_format=log_format
    )
    from remuda.app.working import run

    raise typer.Exit(run(settings))
