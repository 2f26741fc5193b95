"""`remuda routes`: what the gateway answers to."""

from collections.abc import Sequence
from importlib import import_module

from remuda.app.cli.options import AsJson, Config, settings_from
from remuda.app.cli.output import print_columns, print_json

Route = tuple[str, str, str, str, str]
"""Method, path, dialect, scope, summary."""


def routes(config: Config = None, as_json: AsJson = False) -> None:
    """List every route: its method, path, dialect and the scope it needs."""
    settings = settings_from(config)
    table: Sequence[Route] = import_module("remuda.app.wiring").route_table(settings)
    if as_json:
        names = ("method", "path", "dialect", "scope", "summary")
        print_json([dict(zip(names, row, strict=True)) for row in table])
    else:
        print_columns(("METHOD", "PATH", "DIALECT", "SCOPE", "WHAT FOR"), table)
