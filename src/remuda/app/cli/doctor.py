"""`remuda doctor`: is everything there that a gateway needs?"""

from typing import TYPE_CHECKING

import typer

from remuda.app.cli.findings import is_failed, print_findings
from remuda.app.cli.options import AsJson, Config, Data, settings_from
from remuda.app.cli.output import print_json
from remuda.app.exits import Exit

if TYPE_CHECKING:
    from remuda.app.checks.finding import Finding
    from remuda.app.settings import Settings


def doctor(config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """Look at everything a gateway needs: settings, files, data folder, store, engine, ports, clock, upstreams,
    nodes, Redis.

    Exit code 1 where something does not work. An older store is brought up to date; nothing else is changed.
    """
    import asyncio

    from remuda.app.checks.finding import fail
    from remuda.app.settings import SettingsError

    try:
        settings = settings_from(config, data=data)
    except SettingsError as error:
        findings = [fail("settings", str(problem), "correct it; then ask again") for problem in error.problems]
    else:
        findings = asyncio.run(_examine(settings))
    if as_json:
        print_json({"is_ok": not is_failed(findings), "findings": [finding.as_json() for finding in findings]})
    else:
        print_findings(findings)
    if is_failed(findings):
        raise typer.Exit(Exit.CHECK_FAILED)


async def _examine(settings: "Settings") -> "list[Finding]":
    from remuda.app.checks.files import check_data_dir, check_files
    from remuda.app.checks.machine import check_clock, check_engine
    from remuda.app.checks.nodes import check_nodes
    from remuda.app.checks.redis import check_redis
    from remuda.app.checks.rules import check_origin, check_rules
    from remuda.app.checks.servers import check_ports, check_upstreams
    from remuda.app.checks.stored import check_door, check_store
    from remuda.core.clock import SystemClock

    stored = await check_store(settings)
    return [
        check_origin(settings),
        *check_data_dir(settings),
        stored.finding,
        *check_door(settings, stored.credentials),
        check_engine(settings),
        *check_files(settings),
        *await check_ports(settings),
        check_clock(SystemClock.wall(), stored.latest_s),
        *await check_upstreams(settings),
        *await check_nodes(settings, stored.nodes),
        *await check_redis(settings),
        *check_rules(settings),
    ]
