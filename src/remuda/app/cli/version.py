"""`remuda version`."""

import typer

from remuda import __version__
from remuda.app.cli.options import AsJson
from remuda.app.cli.output import print_json


def version(as_json: AsJson = False) -> None:
    """Show the version, and with --json what it runs on."""
    if not as_json:
        typer.echo(__version__)
        return
    import platform
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    try:
        engine = version_of("xllamacpp")
    except PackageNotFoundError:
        engine = None
    print_json(
        {
            "version": __version__,
            "python": platform.python_version(),
            "platform": f"{platform.system().lower()}-{platform.machine().lower()}",
            "engines": {"llama.cpp": engine},
        }
    )
