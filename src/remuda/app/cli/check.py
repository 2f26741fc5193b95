"""`remuda check`: is the configuration right?"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from remuda.app.cli.findings import is_failed, print_findings
from remuda.app.cli.options import AsJson, Config, Data, settings_from
from remuda.app.cli.output import print_columns, print_json
from remuda.app.exits import Exit

if TYPE_CHECKING:
    from remuda.app.settings import Settings


def check(
    config: Config = None,
    data: Data = None,
    origins: Annotated[
        bool, typer.Option("--origins", help="List every setting with its value and where that came from.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check the settings, and that the files they name are there.

    Exit code 0: the gateway can be started with them. 1: it cannot; every reason is named. Nothing is started or
    asked over the network; for that see: remuda doctor.
    """
    import asyncio

    from remuda.app.checks.files import check_files
    from remuda.app.checks.finding import fail
    from remuda.app.checks.rules import check_origin, check_rules
    from remuda.app.checks.stored import check_door, credentials_at_hand
    from remuda.app.settings import SettingsError

    try:
        settings = settings_from(config, data=data)
    except SettingsError as error:
        findings = [fail("settings", str(problem), "") for problem in error.problems]
        if as_json:
            print_json({"is_ok": False, "findings": [finding.as_json() for finding in findings]})
        else:
            for problem in error.problems:
                typer.echo(f"remuda: {problem}", err=True)
        raise typer.Exit(Exit.CHECK_FAILED) from None
    door = check_door(settings, asyncio.run(credentials_at_hand(settings)))
    findings = [check_origin(settings), *check_files(settings), *door, *check_rules(settings)]
    if as_json:
        answer: dict[str, Any] = {
            "is_ok": not is_failed(findings),
            "findings": [finding.as_json() for finding in findings],
        }
        if origins:
            names = ("setting", "value", "origin")
            answer["settings"] = [dict(zip(names, row, strict=True)) for row in _values(settings)]
        print_json(answer)
    else:
        if origins:
            print_columns(("SETTING", "VALUE", "FROM"), _values(settings))
            typer.echo("")
        print_findings(findings)
    if is_failed(findings):
        raise typer.Exit(Exit.CHECK_FAILED)


def _values(settings: "Settings") -> list[tuple[str, str, str]]:
    """Every setting, its value (secrets masked) and its origin."""
    import json

    from remuda.app.settings import leaves
    from remuda.app.settings.origins import dotted

    shown: dict[str, Any] = settings.model_dump(mode="json")
    rows = []
    for leaf in leaves():
        value: Any = shown
        for part in leaf.loc:
            value = value[part]
        name = dotted(leaf.loc)
        rows.append((name, json.dumps(value, ensure_ascii=False), str(settings.origin(name))))
    return rows
