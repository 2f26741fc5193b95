"""`remuda nodes`: add, list, drain and remove servers elsewhere. A running gateway takes changes up within a second."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from remuda.app.cli.options import AsJson, Config, Data, settings_from
from remuda.app.cli.output import iso_time, print_columns, print_json, safe
from remuda.app.exits import CommandError, Exit
from remuda.core.node import Node, NodeKind

if TYPE_CHECKING:
    from remuda.app.settings import Settings

nodes = typer.Typer(rich_markup_mode=None)

Which = Annotated[str, typer.Argument(help="Id or name of the node, as listed.", metavar="NODE")]


@nodes.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Add, list, drain and remove servers elsewhere."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@nodes.command("list")
def list_all(data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """List the nodes: those of the settings first, whose ids are negative. How they stand, a running gateway tells."""
    import asyncio

    settings = settings_from(config, data=data)
    stored = asyncio.run(_listed(settings))
    shown = [_configured(settings, place) for place in range(len(settings.upstreams))]
    shown += [_as_json(node) for node in stored]
    if as_json:
        print_json(shown)
        return
    headers = ("ID", "NAME", "URL", "KIND", "SLOTS", "WEIGHT", "DRAINED", "KEY", "CREATED")
    fields = ("id", "name", "url", "kind", "slots", "weight", "is_drained", "credential", "created_at")
    print_columns(headers, [[_cell(entry[field]) for field in fields] for entry in shown])


@nodes.command()
def add(
    url: Annotated[str, typer.Argument(help="Its base address, e.g. http://10.0.0.5:11434.", metavar="URL")],
    name: Annotated[str | None, typer.Option("--name", help="What it is called. Default: host and port.")] = None,
    kind: Annotated[NodeKind | None, typer.Option("--kind", help="What it is. Default: found out.")] = None,
    slots: Annotated[int | None, typer.Option("--slots", help="How many requests it is sent at once.")] = None,
    weight: Annotated[int, typer.Option("--weight", help="Its share under the policy `weighted`.")] = 1,
    api_key_env: Annotated[
        str,
        typer.Option("--api-key-env", metavar="NAME", help="Variable of the gateway that holds the key sent to it."),
    ] = "",
    api_key_stdin: Annotated[
        bool, typer.Option("--api-key-stdin", help="Read that key from stdin; it is kept encrypted.")
    ] = False,
    drain: Annotated[bool, typer.Option("--drain", help="Give it nothing yet.")] = False,
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Add a node. It need not answer yet."""
    import asyncio
    import sys
    from dataclasses import replace

    from remuda.app.nodes import kept_credential, made_node
    from remuda.app.sealing import CredentialError, Sealer
    from remuda.core.clock import SystemClock

    settings = settings_from(config, data=data)
    key = sys.stdin.readline().strip() if api_key_stdin else ""
    if api_key_stdin and not key:
        raise CommandError("--api-key-stdin: there is nothing on stdin", Exit.USAGE)
    sealer = Sealer(settings.data_dir, settings.auth.sealing_secret)
    try:
        node = made_node(
            url, name=name, kind=kind, slots=slots, weight=weight, is_drained=drain, now=SystemClock.wall()
        )
        node = replace(node, credential=kept_credential(sealer, key, api_key_env))
    except CredentialError as error:
        raise CommandError(str(error), Exit.STORE) from None
    except ValueError as error:
        raise CommandError(str(error), Exit.USAGE) from None
    _check_beside(settings, node)
    node = asyncio.run(_added(settings, node))
    if as_json:
        print_json(_as_json(node))
    else:
        typer.echo(f"{safe(node.name)} ({node.id}) at {node.url} is a node from now on.")


@nodes.command()
def drain(node: Which, data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """Give a node nothing new; it finishes what it has."""
    _change(node, config, data, as_json, lambda found: {"is_drained": True}, "gets nothing new")


@nodes.command()
def undrain(node: Which, data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """Give a drained node requests again."""
    _change(node, config, data, as_json, lambda found: {"is_drained": False}, "gets requests again")


@nodes.command()
def remove(node: Which, data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """Forget a node; it finishes what it has."""
    import asyncio

    settings = settings_from(config, data=data)
    removed = asyncio.run(_removed(settings, node))
    if as_json:
        print_json(_as_json(removed))
    else:
        typer.echo(f"{safe(removed.name)} ({removed.id}) is no node any more.")


def _change(
    word: str, config: Any, data: Any, as_json: bool, changes: Callable[[Node], dict[str, Any]], what: str
) -> None:
    import asyncio

    changed = asyncio.run(_changed(settings_from(config, data=data), word, changes))
    if as_json:
        print_json(_as_json(changed))
    else:
        typer.echo(f"{safe(changed.name)} ({changed.id}) {what}.")


async def _listed(settings: "Settings") -> list[Node]:
    from remuda.app.stores import opened_store
    from remuda.store.nodes import list_nodes

    async with opened_store(settings) as store:
        return (await list_nodes(store))[1]


async def _added(settings: "Settings", node: Node) -> Node:
    from remuda.app.stores import opened_store
    from remuda.store.nodes import NodeTaken, TooManyNodes, add_node

    async with opened_store(settings) as store:
        try:
            return await add_node(store, node)
        except (NodeTaken, TooManyNodes) as error:
            raise CommandError(str(error)) from None


async def _changed(settings: "Settings", word: str, changes: Callable[[Node], dict[str, Any]]) -> Node:
    from dataclasses import replace

    from remuda.app.stores import opened_store
    from remuda.store.nodes import list_nodes, update_node

    async with opened_store(settings) as store:
        found = _meant((await list_nodes(store))[1], word, settings)
        changed = replace(found, **changes(found))
        if not await update_node(store, changed):
            raise CommandError(f"the node {word!r} has just been removed")
        return changed


async def _removed(settings: "Settings", word: str) -> Node:
    from remuda.app.stores import opened_store
    from remuda.store.nodes import list_nodes, remove_node

    async with opened_store(settings) as store:
        found = _meant((await list_nodes(store))[1], word, settings)
        if not await remove_node(store, found.id):
            raise CommandError(f"the node {word!r} has just been removed")
        return found


def _meant(stored: list[Node], word: str, settings: "Settings") -> Node:
    """The node with that id or that name; raises CommandError where these are two, or none."""
    places = {-1 - place: each.display_name for place, each in enumerate(settings.upstreams)}
    named = {node.id: node.name for node in stored} | places
    by_id = next((each for each in named if str(each) == word), None)
    by_name = next((each for each, name in named.items() if name == word), None)
    if by_id is not None and by_name not in (None, by_id):
        said = f"say {named[by_id]} or {by_name}"
        raise CommandError(f"{word!r} is the id of one node and the name of another: {said}")
    meant = by_id if by_id is not None else by_name
    for node in stored:
        if node.id == meant:
            return node
    if meant is not None:
        raise CommandError(f"{word!r} is a node of the settings: change them there ({settings.origin('upstreams')})")
    raise CommandError(f"no node is called {word!r}")


def _check_beside(settings: "Settings", node: Node) -> None:
    from remuda.core.address import place_of

    for each in settings.upstreams:
        if each.display_name == node.name or place_of(each.url) == place_of(node.url):
            raise CommandError(f"the settings have {each.display_name} at {each.address.url} already")


def _configured(settings: "Settings", place: int) -> dict[str, Any]:
    upstream = settings.upstreams[place]
    return {
        "id": -1 - place,
        "name": upstream.display_name,
        "url": upstream.address.url,
        "kind": upstream.kind,
        "slots": upstream.slots,
        "weight": upstream.weight,
        "is_drained": upstream.drain,
        "credential": "settings" if upstream.api_key is not None else None,
        "created_at": None,
    }


def _as_json(node: Node) -> dict[str, Any]:
    kept = node.credential
    return {
        "id": node.id,
        "name": node.name,
        "url": node.url,
        "kind": node.kind,
        "slots": node.slots,
        "weight": node.weight,
        "is_drained": node.is_drained,
        "credential": kept if kept.startswith("env:") else "sealed" if kept else None,
        "created_at": iso_time(node.created_at),
    }


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "-"
    return "-" if value is None else str(value)
