"""`remuda budgets`: what may be spent, and what is."""

from typing import TYPE_CHECKING, Any

import typer

from remuda.app.cli.options import AsJson, Config, Data, settings_from
from remuda.app.cli.output import iso_time, print_columns, print_json

if TYPE_CHECKING:
    from remuda.app.settings import Settings
    from remuda.core.budget import Budget

budgets = typer.Typer(rich_markup_mode=None)


@budgets.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """List budgets. They are made and changed by HTTP: /api/budgets."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@budgets.command("list")
def list_all(data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """List the budgets and how they stand."""
    shown = [_as_json(budget) for budget in _read(settings_from(config, data=data))]
    if as_json:
        print_json(shown)
        return
    rows = [
        [
            str(entry["id"]),
            entry["name"],
            entry["budget_type"],
            " ".join(filter(None, (entry["scope"], entry["subject"]))),
            f"{entry['current_usage']:g}",
            f"{entry['amount']:g}",
            f"{100 * entry['current_usage'] / entry['amount']:.0f} %",
            "off" if not entry["is_active"] else "stops" if entry["hard_stop"] else "tells",
            entry["since"],
        ]
        for entry in shown
    ]
    print_columns(("ID", "NAME", "PERIOD", "FOR", "USED", "OF", "", "DOES", "SINCE"), rows)


def _read(settings: "Settings") -> "list[Budget]":
    import asyncio

    from remuda.app.settings.insight import zone_of
    from remuda.app.stores import opened_store
    from remuda.core.clock import SystemClock
    from remuda.store.budgets import budgets_now

    async def read() -> "list[Budget]":
        async with opened_store(settings) as store:
            return (await budgets_now(store, SystemClock.wall(), zone_of(settings.insight.time_zone))).budgets

    return asyncio.run(read())


def _as_json(budget: "Budget") -> dict[str, Any]:
    from remuda.core.money import amount_of

    terms = budget.terms
    return {
        "id": budget.id,
        "name": terms.name,
        "budget_type": terms.period.value,
        "scope": terms.scope.value,
        "subject": terms.subject,
        "current_usage": amount_of(budget.usage_nano),
        "amount": amount_of(terms.amount_nano),
        "hard_stop": terms.is_hard,
        "is_active": terms.is_active,
        "since": iso_time(budget.period_start),
    }
