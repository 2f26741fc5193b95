"""`remuda prices`: what models cost."""

from typing import TYPE_CHECKING, Any

import typer

from remuda.app.cli.options import AsJson, Config, Data, settings_from
from remuda.app.cli.output import iso_time, print_columns, print_json

if TYPE_CHECKING:
    from remuda.app.settings import Settings
    from remuda.store.prices import ModelPrice

prices = typer.Typer(rich_markup_mode=None)


@prices.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """List what models cost. Prices are set by HTTP: /api/cost-settings."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@prices.command("list")
def list_all(data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """List the prices in force: for 1,000 tokens of prompt, cached prompt and answer, and for an hour."""
    shown = [_as_json(price) for price in _read(settings_from(config, data=data))]
    if as_json:
        print_json(shown)
        return
    rows = [
        [str(entry["id"]), entry["model"], *map(_amount, (entry["input"], entry["cached"], entry["output"])),
         _amount(entry["electricity_per_hour"]), entry["since"]]
        for entry in shown
    ]  # fmt: skip
    print_columns(("ID", "MODEL", "INPUT", "CACHED", "OUTPUT", "HOUR", "SINCE"), rows)


def _read(settings: "Settings") -> "list[ModelPrice]":
    import asyncio

    from remuda.app.stores import opened_store
    from remuda.store.prices import list_prices

    async def read() -> "list[ModelPrice]":
        async with opened_store(settings) as store:
            return (await list_prices(store))[1]

    return asyncio.run(read())


def _as_json(found: "ModelPrice") -> dict[str, Any]:
    from remuda.core.money import amount_of

    price = found.price
    return {
        "id": found.id,
        "model": found.model,
        "input": amount_of(price.input_nano),
        "cached": None if price.cached_nano is None else amount_of(price.cached_nano),
        "output": amount_of(price.output_nano),
        "electricity_per_hour": amount_of(price.electricity_nano),
        "since": iso_time(found.valid_from),
    }


def _amount(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
