"""`remuda tasks`: list, show, cancel and retry what is answered later. A running gateway takes changes up by itself."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from remuda.app.cli.options import AsJson, Config, Data, settings_from
from remuda.app.cli.output import iso_time, print_columns, print_json, safe
from remuda.app.exits import CommandError, Exit
from remuda.core.task import Task, TaskResult, TaskState

if TYPE_CHECKING:
    from remuda.app.settings import Settings
    from remuda.core.delivery import DeliveryEntry
    from remuda.store import Store

tasks = typer.Typer(rich_markup_mode=None)

T = TypeVar("T")
Which = Annotated[str, typer.Argument(help="Id of the task.", metavar="TASK")]
DEFAULT_LISTED = 50
MAX_LISTED = 1000


@tasks.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """List, show, cancel and retry tasks: what is answered later."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@tasks.command("list")
def list_all(
    state: Annotated[
        list[TaskState] | None, typer.Option("--state", help="Only these. May be given several times.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Only those for this model.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Only those with this user_id.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Only those of the key with this id.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="How many at most.", min=1, max=MAX_LISTED)] = DEFAULT_LISTED,
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List tasks, newest first."""
    from remuda.store.tasks import TaskFilter, task_page

    wanted = TaskFilter(states=state or None, model=model, user_id=user, key_id=key)
    found = _run(settings_from(config, data=data), lambda store: task_page(store, wanted, limit))
    shown = [_as_json(task) for task in found]
    if as_json:
        print_json(shown)
        return
    headers = ("ID", "STATE", "MODEL", "PRIORITY", "USER", "KEY", "TRIES", "CREATED", "ENDED", "ERROR")
    fields = ("id", "state", "model", "priority", "user_id", "key_id", "attempts", "created_at", "finished_at")
    cells = [[_cell(entry[field]) for field in (*fields, "error_type")] for entry in shown]
    print_columns(headers, cells)


@tasks.command()
def show(task: Which, data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """Show a task: how it stands, its answer, and how its webhook was told."""
    found, deliveries = _run(settings_from(config, data=data), lambda store: _shown(store, task))
    shown = _as_json(found.task) | {"result": found.text, "deliveries": [_delivery(entry) for entry in deliveries]}
    if as_json:
        print_json(shown)
        return
    rows = [[name, _cell(value)] for name, value in shown.items() if name not in ("result", "deliveries")]
    print_columns(("FIELD", "VALUE"), rows)
    for entry in deliveries:
        typer.echo(safe(f"{entry.event}: {entry.state.value} after {entry.attempts} tries {entry.error}".rstrip()))
    if found.text is not None:
        typer.echo()
        typer.echo("\n".join(safe(line) for line in found.text.splitlines()))


@tasks.command()
def cancel(task: Which, data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """Cancel a task, also one that is being answered: its worker learns of it with its next heartbeat."""
    settings = settings_from(config, data=data)
    cancelled = _run(settings, lambda store: _cancelled(store, task, settings.tasks.retention_s))
    _say(cancelled, "is cancelled", as_json)


@tasks.command()
def retry(task: Which, data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """Let a task run again that failed, died or was cancelled."""
    _say(_run(settings_from(config, data=data), lambda store: _retried(store, task)), "waits for its turn", as_json)


@tasks.command()
def secret(data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """Show what webhooks are signed with, to verify them."""
    from remuda.app.durable import webhook_key
    from remuda.app.sealing import CredentialError, Sealer
    from remuda.outbound.webhooks import secret_of

    settings = settings_from(config, data=data)
    try:
        key = webhook_key(settings, Sealer(settings.data_dir, settings.auth.sealing_secret))
    except CredentialError as error:
        raise CommandError(str(error), Exit.STORE) from None
    if as_json:
        print_json({"secret": secret_of(key)})
    else:
        typer.echo(secret_of(key))


async def _shown(store: "Store", word: str) -> "tuple[TaskResult, list[DeliveryEntry]]":
    from remuda.store.deliveries import deliveries_of
    from remuda.store.tasks import task_result

    found = await task_result(store, _id(word))
    if found is None:
        raise _unknown(word)
    return found, await deliveries_of(store, found.task.id)


async def _cancelled(store: "Store", word: str, retention_s: float) -> Task:
    from remuda.core.clock import SystemClock
    from remuda.store.tasks import cancel_task, find_task

    before = await find_task(store, _id(word))
    if before is not None and before.state.is_over:
        raise CommandError(f"the task {word!r} is over already: it is {before.state.value}")
    task = await cancel_task(store, _id(word), SystemClock.wall(), retention_s)
    if task is None:
        raise _unknown(word)
    return task


async def _retried(store: "Store", word: str) -> Task:
    from remuda.core.clock import SystemClock
    from remuda.store.tasks import find_task, retry_task

    before = await find_task(store, _id(word))
    if before is not None and (before.state is TaskState.COMPLETED or not before.state.is_over):
        raise CommandError(
            f"the task {word!r} is {before.state.value}: only one that failed or was cancelled runs again"
        )
    task = await retry_task(store, _id(word), SystemClock.wall())
    if task is None:
        raise _unknown(word)
    return task


def _run(settings: "Settings", work: "Callable[[Store], Awaitable[T]]") -> T:
    import asyncio

    from remuda.app.stores import opened_store

    async def run() -> T:
        async with opened_store(settings) as store:
            return await work(store)

    return asyncio.run(run())


def _id(word: str) -> str:
    """The id in its one way of writing."""
    from uuid import UUID

    try:
        return str(UUID(word))
    except ValueError:
        raise _unknown(word) from None


def _unknown(word: str) -> CommandError:
    return CommandError(f"there is no task {word[:64]!r}, or none any more")


def _say(task: Task, what: str, as_json: bool) -> None:
    if as_json:
        print_json(_as_json(task))
    else:
        typer.echo(f"{task.id} {what}.")


def _as_json(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "state": task.state.value,
        "model": task.model,
        "priority": task.priority.word,
        "user_id": task.user_id,
        "key_id": task.key_id,
        "attempts": task.attempts,
        "created_at": iso_time(task.created_at),
        "started_at": iso_time(task.started_at),
        "finished_at": iso_time(task.finished_at),
        "prompt_tokens": task.prompt_tokens,
        "completion_tokens": task.progress,
        "error_type": task.error_type,
        "error_message": task.error_message,
    }


def _delivery(entry: "DeliveryEntry") -> dict[str, Any]:
    return {
        "id": entry.message_id,
        "type": entry.event,
        "state": entry.state.value,
        "attempts": entry.attempts,
        "status": entry.status,
        "error": entry.error,
        "next_attempt_at": iso_time(entry.due_at) if entry.state.value == "due" else None,
    }


def _cell(value: Any) -> str:
    return "-" if value in (None, "") else str(value)
