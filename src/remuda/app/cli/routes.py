"""`remuda routes`: what the gateway answers to."""

import typer

from remuda import __version__
from remuda.app.cli.options import AsJson
from remuda.app.cli.output import print_json


def routes(as_json: AsJson = False) -> None:
    """List every route: its method, path, dialect, and the scope a key needs for it."""
    from remuda.app.asgi import bare_parts
    from remuda.app.routes import as_text, route_table

    table = route_table(bare_parts(__version__))
    if as_json:
        print_json([row._asdict() for row in table])
    else:
        typer.echo(as_text(table), nl=False)
