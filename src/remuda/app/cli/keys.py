"""`remuda keys`: make, list, change and revoke API keys. A running gateway takes changes up within a second."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from remuda.app.cli.options import AsJson, Config, Data, settings_from
from remuda.app.cli.output import iso_time, print_columns, print_json, safe
from remuda.app.exits import CommandError, Exit
from remuda.core.keys import MAX_WEIGHT, Key, Scope

if TYPE_CHECKING:
    from remuda.app.settings import Settings
    from remuda.store import Store

keys = typer.Typer(rich_markup_mode=None)

DEFAULT_SCOPES = (Scope.INFERENCE, Scope.READ)
MAX_NAME_CHARS = 200

Which = Annotated[str, typer.Argument(help="Id, name or first characters of the key, as listed.", metavar="KEY")]


@keys.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Make, list, change and revoke API keys."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@keys.command()
def create(
    name: Annotated[str | None, typer.Option("--name", help="What the key is called. Default: its id.")] = None,
    scope: Annotated[
        list[Scope] | None,
        typer.Option("--scope", help="What it may do. May be given several times. Default: inference and read."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="WHEN", help="30d (or m, h, w), or an ISO date or time. Default: never."),
    ] = None,
    weight: Annotated[
        int,
        typer.Option("--weight", min=1, max=MAX_WEIGHT, help="Turns it gets in a queue for one of another key."),
    ] = 1,
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. Its secret is printed on stdout, this once: only its hash is kept."""
    import asyncio
    import os

    from remuda.app.expiry import parse_expiry
    from remuda.core.clock import SystemClock
    from remuda.core.keys import DISPLAY_CHARS, SECRET_BYTES, digest_of, secret_from

    now = SystemClock.wall()
    try:
        expires_at = parse_expiry(expires, now) if expires is not None else None
    except ValueError as error:
        raise CommandError(f"--expires: {error}", Exit.USAGE) from None
    if name is not None and not (0 < len(name) <= MAX_NAME_CHARS and name.isprintable() and name.strip() == name):
        raise CommandError(f"--name: 1 to {MAX_NAME_CHARS} printable characters, without spaces around", Exit.USAGE)
    secret = secret_from(os.urandom(SECRET_BYTES))
    key_id = f"key_{os.urandom(8).hex()}"
    key = Key(
        id=key_id,
        name=name or key_id,
        digest=digest_of(secret.encode()),
        prefix=secret[:DISPLAY_CHARS],
        scopes=frozenset(scope or DEFAULT_SCOPES),
        created_at=now,
        expires_at=expires_at,
        weight=weight,
    )
    asyncio.run(_create(settings_from(config, data=data), key))
    if as_json:
        print_json({"key": secret, **_as_json(key, now)})
        return
    until = f" until {iso_time(expires_at)}" if expires_at else ""
    typer.echo(f"{safe(key.name)} ({key.id}) may use: {_scopes(key)}{until}. Its secret is shown only now:", err=True)
    typer.echo(secret)


@keys.command("list")
def list_all(
    is_all: Annotated[bool, typer.Option("--all", help="Revoked keys too.")] = False,
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List the keys, oldest first. Keys given by API_KEYS are not among them: they are not in the store."""
    import asyncio

    from remuda.core.clock import SystemClock

    now = SystemClock.wall()
    found = asyncio.run(_list(settings_from(config, data=data)))
    shown = [_as_json(key, now) for key in found if is_all or key.revoked_at is None]
    if as_json:
        print_json(shown)
        return
    headers = ("ID", "NAME", "BEGINS", "SCOPES", "WEIGHT", "STATE", "CREATED", "EXPIRES", "LAST USED")
    fields = ("id", "name", "prefix", "scopes", "weight", "state", "created_at", "expires_at", "last_used_at")
    print_columns(headers, [[_cell(entry[field]) for field in fields] for entry in shown])


@keys.command()
def update(
    key: Which,
    weight: Annotated[
        int,
        typer.Option("--weight", min=1, max=MAX_WEIGHT, help="Turns it gets in a queue for one of another key."),
    ],
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Give a key another weight. What waits already keeps its place."""
    import asyncio

    from remuda.core.clock import SystemClock

    updated = asyncio.run(_update(settings_from(config, data=data), key, weight))
    if as_json:
        print_json(_as_json(updated, SystemClock.wall()))
    else:
        typer.echo(f"{safe(updated.name)} ({updated.id}) has the weight {updated.weight} from now on.")


@keys.command()
def revoke(
    key: Which,
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a key useless, for good."""
    import asyncio

    from remuda.core.clock import SystemClock

    now = SystemClock.wall()
    revoked = asyncio.run(_revoke(settings_from(config, data=data), key, now))
    if as_json:
        print_json(_as_json(revoked, now) | {"state": "revoked", "revoked_at": iso_time(now)})
    else:
        typer.echo(f"{safe(revoked.name)} ({revoked.id}) is revoked.")


async def _create(settings: "Settings", key: Key) -> None:
    from remuda.app.stores import opened_store
    from remuda.store.keys import create_key

    async with opened_store(settings) as store:
        await create_key(store, key)


async def _list(settings: "Settings") -> list[Key]:
    from remuda.app.stores import opened_store
    from remuda.store.keys import list_keys

    async with opened_store(settings) as store:
        return await list_keys(store)


async def _update(settings: "Settings", word: str, weight: int) -> Key:
    from remuda.app.stores import opened_store
    from remuda.store.keys import change_weight

    async with opened_store(settings) as store:
        key = await _live(store, word)
        if not await change_weight(store, key.id, weight):
            raise _revoked(word)
        return replace(key, weight=weight)


async def _revoke(settings: "Settings", word: str, now: float) -> Key:
    from remuda.app.stores import opened_store
    from remuda.store.keys import revoke_key

    async with opened_store(settings) as store:
        key = await _live(store, word)
        if not await revoke_key(store, key.id, now):
            raise _revoked(word)
        return key


async def _live(store: "Store", word: str) -> Key:
    """The one key that `word` means and that is not revoked; raises CommandError."""
    from remuda.store.keys import find_keys

    found = await find_keys(store, word)
    live = [key for key in found if key.revoked_at is None]
    if len(live) > 1:
        ids = ", ".join(key.id for key in live)
        raise CommandError(f"{len(live)} keys are called {word!r}: name one by its id ({ids})")
    if not live:
        raise _revoked(word) if found else CommandError(f"no key is called {word!r}")
    return live[0]


def _revoked(word: str) -> CommandError:
    return CommandError(f"the key {word!r} is revoked already")


def _state(key: Key, now: float) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "active"


def _scopes(key: Key) -> str:
    return ", ".join(scope for scope in Scope if scope in key.scopes)


def _as_json(key: Key, now: float) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": [scope.value for scope in Scope if scope in key.scopes],
        "weight": key.weight,
        "state": _state(key, now),
        "created_at": iso_time(key.created_at),
        "expires_at": iso_time(key.expires_at),
        "revoked_at": iso_time(key.revoked_at),
        "last_used_at": iso_time(key.last_used_at),
    }


def _cell(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value or "-")
