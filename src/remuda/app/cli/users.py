"""`remuda users`: add, list and remove users, give passwords. A running gateway takes changes up within a second."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from remuda.app.cli.options import AsJson, Config, Data, settings_from
from remuda.app.cli.output import iso_time, print_columns, print_json
from remuda.app.exits import CommandError, Exit
from remuda.core.keys import Scope
from remuda.core.users import User

if TYPE_CHECKING:
    from remuda.app.settings import Settings
    from remuda.store import Store

T = TypeVar("T")

users = typer.Typer(rich_markup_mode=None)

OTHERWISE = frozenset({Scope.INFERENCE, Scope.READ})
"""What a user may do who is not the first."""

Name = Annotated[str, typer.Argument(help="What the user is called.", metavar="NAME")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin. Default: make one.")]


@users.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Add, list and remove users, who log in with a password."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@users.command()
def add(
    name: Name,
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            "--scope",
            help="What the user may do. May be given several times. Default: admin for the first user, inference and "
            "read for others.",
        ),
    ] = None,
    password_stdin: FromStdin = False,
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Add a user. A password that is made is printed on stdout, this once: only its hash is kept."""
    from remuda.core.clock import SystemClock
    from remuda.store.users import UserTaken, add_user

    settings = settings_from(config, data=data)
    password, kept = _password(name, password_stdin)

    async def work(store: "Store") -> User:
        try:
            scopes = frozenset(scope) if scope else None
            return await add_user(store, name, kept, scopes, SystemClock.wall(), OTHERWISE)
        except UserTaken:
            raise CommandError(f"there is a user called {name!r} already: remuda users password {name}") from None

    user = _run(settings, work)
    if as_json:
        print_json({"password": None if password_stdin else password, **_as_json(user)})
        return
    typer.echo(f"{user.name} may use: {', '.join(_scopes(user))}.{_shown_now(password_stdin)}", err=True)
    if not password_stdin:
        typer.echo(password)


@users.command("list")
def list_all(data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """List the users by name."""
    from remuda.store.users import list_users

    found = _run(settings_from(config, data=data), list_users).users
    shown = [_as_json(user) for user in found]
    if as_json:
        print_json(shown)
        return
    rows = [
        [entry["name"], ",".join(entry["scopes"]) or "-", entry["created_at"], entry["last_login_at"] or "-"]
        for entry in shown
    ]
    print_columns(("NAME", "SCOPES", "CREATED", "LAST LOGIN"), rows)


@users.command()
def password(
    name: Name, password_stdin: FromStdin = False, data: Data = None, config: Config = None, as_json: AsJson = False
) -> None:
    """Give a user another password. Ends what the user is logged in with."""
    from remuda.store.users import change_password

    settings = settings_from(config, data=data)
    made, kept = _password(name, password_stdin)
    if not _run(settings, lambda store: change_password(store, name, kept)):
        raise CommandError(f"no user is called {name!r}")
    if as_json:
        print_json({"name": name, "password": None if password_stdin else made})
        return
    typer.echo(f"{name} has another password.{_shown_now(password_stdin)}", err=True)
    if not password_stdin:
        typer.echo(made)


@users.command()
def remove(name: Name, data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """Remove a user. Ends what the user is logged in with; what the journal says of the user stays."""
    from remuda.store.users import remove_user

    if not _run(settings_from(config, data=data), lambda store: remove_user(store, name)):
        raise CommandError(f"no user is called {name[:80]!r}")
    if as_json:
        print_json({"name": name})
    else:
        typer.echo(f"{name} is no user any more.")


def _run(settings: "Settings", work: Callable[["Store"], Awaitable[T]]) -> T:
    """What `work`, handed the open store, comes to."""
    import asyncio

    from remuda.app.stores import opened_store

    async def run() -> T:
        async with opened_store(settings) as store:
            return await work(store)

    return asyncio.run(run())


def _password(name: str, is_given: bool) -> tuple[str, str]:
    """The password from stdin, or a new one; and its hash."""
    import os
    import sys

    from remuda.core.users import FIRST_PASSWORD_BYTES, SALT_BYTES, check_name, check_password, first_password, hashed

    try:
        check_name(name)
        if is_given:
            password = check_password(sys.stdin.readline(4096).rstrip("\r\n"))
        else:
            password = first_password(os.urandom(FIRST_PASSWORD_BYTES))
    except UnicodeDecodeError:
        raise CommandError("--password-stdin: this is no text", Exit.USAGE) from None
    except ValueError as error:
        raise CommandError(str(error), Exit.USAGE) from None
    return password, hashed(password, os.urandom(SALT_BYTES))


def _shown_now(is_given: bool) -> str:
    return "" if is_given else " The password is shown only now:"


def _scopes(user: User) -> list[str]:
    return [scope.value for scope in Scope if scope in user.scopes]


def _as_json(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "scopes": _scopes(user),
        "created_at": iso_time(user.created_at),
        "last_login_at": iso_time(user.last_login_at),
    }
