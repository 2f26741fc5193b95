"""`remuda backup` and `remuda restore`: the whole store in one file, and back."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from remuda.app.cli.options import AsJson, Config, Data, settings_from
from remuda.app.cli.output import iso_time, print_json

if TYPE_CHECKING:
    from remuda.app.settings import Settings
    from remuda.store.backup import BackupSummary
    from remuda.store.backup_files import Contents


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write. It must not exist.")],
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Write everything that is kept into one file, files that were handed in for batches included.

    The gateway may run meanwhile. The file holds no keys, only their hashes, and the keys of nodes encrypted: keep
    node.key of the data folder apart from it. It does hold prompts and answers where those are kept; only you may read
    it. It restores on SQLite and on Postgres.
    """
    import asyncio

    from rich.console import Console

    with Console(stderr=True).status("Reading the store") as status:
        summary = asyncio.run(
            _backup(settings_from(config, data=data), file, lambda rows: status.update(f"{rows:,} rows written"))
        )
    _report(summary, f"{file} holds", as_json=as_json)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File that `remuda backup` wrote.")],
    force: Annotated[bool, typer.Option("--force", help="Replace what the store holds.")] = False,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make the store what it was when the backup was made.

    A damaged file, or one of a newer version, changes nothing. A store that holds something is only replaced with
    --force. A running gateway takes keys and nodes up within a second.
    """
    import asyncio

    summary = asyncio.run(_restore(settings_from(config, data=data), file, force=force))
    _report(summary, "The store holds", as_json=as_json)


async def _backup(settings: "Settings", file: Path, on_rows: Callable[[int], None]) -> "BackupSummary":
    from remuda.app.stores import opened_store
    from remuda.core.clock import SystemClock
    from remuda.store.backup import backup as write

    async with opened_store(settings) as store:
        return await write(store, file, SystemClock.wall(), _contents(settings), on_rows)


async def _restore(settings: "Settings", file: Path, *, force: bool) -> "BackupSummary":
    from remuda.app.stores import prepared_store_url, store_errors
    from remuda.store.backup import restore as read

    with store_errors():
        return await read(file, prepared_store_url(settings), force=force, contents=_contents(settings))


def _contents(settings: "Settings") -> "Contents":
    """The files of this data folder, as its gateway knows it."""
    from remuda.app.exits import CommandError, Exit
    from remuda.core.ids import random_ids
    from remuda.jobs.files import opened_place
    from remuda.store.backup_files import Contents

    folder = settings.data_dir / "files"
    try:
        return Contents(folder, opened_place(folder, random_ids()))
    except OSError as error:
        raise CommandError(f"the folder {folder} cannot be used: {error.strerror or error}", Exit.STORE) from error


def _report(summary: "BackupSummary", begin: str, *, as_json: bool) -> None:
    made_at = iso_time(summary.created_at)
    if as_json:
        print_json(
            {
                "created_at": made_at,
                "rows": summary.rows,
                "files": summary.contents,
                "files_elsewhere": summary.contents_elsewhere,
            }
        )
    else:
        keys, requests = summary.rows.get("keys", 0), summary.rows.get("journal", 0)
        nodes, files = summary.rows.get("nodes", 0), summary.contents
        typer.echo(
            f"{begin} what was kept at {made_at}. Keys: {keys}. Requests in the journal: {requests}. Nodes: {nodes}. "
            f"Files: {files}."
        )
        if summary.contents_elsewhere:
            typer.echo(
                f"Not in it is what {summary.contents_elsewhere} files hold: it is gone, or lies in the data folders "
                "of other gateways, whose own backups have it."
            )
