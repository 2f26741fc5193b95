"""The `remuda` command: one file a subcommand.

Importing this must stay cheap, since `remuda --help` waits for it: a subcommand imports what it needs when it runs.
What goes wrong is one clear line on stderr and an exit code (`remuda.app.exits`), never a traceback.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from remuda import __version__
from remuda.app.cli.backup import backup, restore
from remuda.app.cli.budgets import budgets
from remuda.app.cli.check import check
from remuda.app.cli.doctor import doctor
from remuda.app.cli.explain import explain
from remuda.app.cli.keys import keys
from remuda.app.cli.models import models
from remuda.app.cli.nodes import nodes
from remuda.app.cli.output import leave_stdout
from remuda.app.cli.prices import prices
from remuda.app.cli.routes import routes
from remuda.app.cli.serve import serve
from remuda.app.cli.tasks import tasks
from remuda.app.cli.users import users
from remuda.app.cli.version import version
from remuda.app.cli.worker import worker
from remuda.app.exits import CommandError, Exit

app = typer.Typer(
    name="remuda",
    add_completion=False,
    # Plain help: a quarter of a second sooner than rich's, and the same text that docs/reference/cli.md holds.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from (a traceback).")] = False,
    is_version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """One door to all the language-model servers you own."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for command in (serve, worker, models, explain, check, doctor, routes, backup, restore, version):
    app.command()(command)
app.add_typer(budgets, name="budgets")
app.add_typer(keys, name="keys")
app.add_typer(nodes, name="nodes")
app.add_typer(prices, name="prices")
app.add_typer(tasks, name="tasks")
app.add_typer(users, name="users")


def main(arguments: Sequence[str] | None = None, command: Callable[..., object] = app) -> int:
    """Run the command with `arguments` (default: the process's own). Returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # Not standalone: what goes wrong comes here instead of being printed in the library's own form.
        code = command(given, prog_name="remuda", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else Exit.OK
    except BrokenPipeError:
        # Somebody left before they had read what cannot be said again: the secret of a new key, say.
        leave_stdout()
        return Exit.CHECK_FAILED
    except (KeyboardInterrupt, typer.Abort):
        return Exit.INTERRUPTED
    except CommandError as error:
        return _failed(error.message, error.code)
    except TyperException as error:
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context is not None else ""
        return _failed(error.format_message().rstrip() + hint, error.exit_code)
    except Exception as error:
        # The last resort: whatever else went wrong is still one line.
        if "--debug" in given:
            raise
        said = str(error).strip().partition("\n")[0]
        return _failed(f"unexpected {type(error).__name__}: {said} (remuda --debug shows where)", Exit.CHECK_FAILED)


def _failed(message: str, code: int) -> int:
    for line in message.splitlines() or [""]:
        typer.echo(f"remuda: {line}", err=True)
    return code
