"""`remuda routes`: what the gateway answers to."""

from remuda import __version__
from remuda.app.cli.options import AsJson
from remuda.app.cli.output import print_columns, print_json


def routes(as_json: AsJson = False) -> None:
    """List every route: its method, path, dialect and the scope it needs."""
    from remuda.app.asgi import bare_parts
    from remuda.app.routes import route_table

    table = route_table(bare_parts(__version__))
    if as_json:
        print_json([row._asdict() for row in table])
    else:
        print_columns(("METHOD", "PATH", "DIALECT", "SCOPE", "WHAT FOR"), table)
