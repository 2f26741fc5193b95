"""How findings are shown."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from remuda.app.cli.output import coloured, safe
from remuda.app.exits import CommandError, Exit

if TYPE_CHECKING:
    from remuda.app.checks.finding import Finding

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def print_findings(findings: Iterable["Finding"]) -> None:
    """One line each on stdout, and one more with what to do where there is something to do."""
    for finding in findings:
        word = coloured(f"{finding.level.value:<4}", _COLOURS[finding.level.value])
        typer.echo(f"{word}  {finding.subject}: {safe(finding.message)}")
        if finding.advice:
            typer.echo(f"      to do: {safe(finding.advice)}")


def is_failed(findings: Iterable["Finding"]) -> bool:
    """Whether any of them says that something does not work."""
    return any(finding.level.value == "fail" for finding in findings)


def refuse(findings: Iterable["Finding"], code: Exit) -> None:
    """End the command with `code` where something does not work; each such finding is one line."""
    messages = [finding.message for finding in findings if finding.level.value == "fail"]
    if messages:
        raise CommandError("\n".join(messages), code)
