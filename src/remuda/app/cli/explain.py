"""`remuda explain`: why a request went where it went."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from remuda.app.cli.options import AsJson, Config, Data, settings_from
from remuda.app.cli.output import iso_time, print_json, safe
from remuda.app.exits import CommandError

if TYPE_CHECKING:
    from remuda.core.decision import Decision
    from remuda.store.journal_reading import JournalEntry

NEWEST: Final = 20


def explain(
    request_id: Annotated[
        str, typer.Argument(help="The request's id: the header X-Request-Id of its answer.", metavar="REQUEST-ID")
    ],
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Say what the journal holds of a request: how it ended, and why each attempt went where it went.

    It is there about half a second after the answer's end. Clients may give several requests one id: the newest twenty
    are shown, the newest first. Text of prompts and answers is not shown.
    """
    import asyncio

    from remuda.app.stores import opened_store
    from remuda.store.journal_reading import JournalFilter, journal_page

    settings = settings_from(config, data=data)

    async def found() -> "list[JournalEntry]":
        async with opened_store(settings) as store:
            return (await journal_page(store, JournalFilter(request_id=request_id), limit=NEWEST)).entries

    entries = asyncio.run(found())
    if not entries:
        days = settings.journal.retention_days
        kept = f" (records are kept for {days} days)" if days else ""
        raise CommandError(f"the journal holds no request {request_id[:200]!r}{kept}")
    if as_json:
        print_json([_as_json(entry) for entry in entries])
        return
    for entry in entries:
        _print(entry)


def _as_json(entry: "JournalEntry") -> dict[str, Any]:
    import msgspec

    record = entry.record._asdict()
    del record["prompt_text"], record["answer_text"]
    record["started_at"] = iso_time(entry.record.started_at)
    record["decisions"] = [msgspec.to_builtins(decision) for decision in _decisions(entry)]
    return {"entry": entry.id, **record}


def _print(entry: "JournalEntry") -> None:
    from remuda.core.decision import in_words

    record = entry.record
    outcome = f"{record.status}{f' {record.fault}' if record.fault else ''}"
    first = "" if record.ttft_s is None else f", first content after {record.ttft_s:.3f} s"
    lines = [
        f"{record.id}  {iso_time(record.started_at)}  {outcome}",
        f"  {record.operation or 'no operation'} by {record.dialect}, model {record.model or '-'}, "
        f"key {record.key_id or '-'}",
        f"  {record.duration_s:.3f} s{first}, {record.queue_wait_s:.3f} s in the queue",
    ]
    decisions = _decisions(entry)
    told = {decision.attempt for decision in decisions}
    lines += [f"  attempt {decision.attempt}: {in_words(decision)}" for decision in decisions]
    if record.attempts and record.attempts not in told:
        lines.append(f"  attempt {record.attempts}: {record.replica} as the only one")
    if not record.attempts:
        lines.append("  it was sent to nobody")
    for line in lines:
        typer.echo(safe(line))


def _decisions(entry: "JournalEntry") -> "list[Decision]":
    from remuda.core.decision import decisions_in

    return decisions_in(entry.record.decisions)
