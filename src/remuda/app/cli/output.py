"""What subcommands print: columns for people, JSON for programs."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from remuda.core import moments


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if isinstance(value, list):
        _list(text)
    else:
        typer.echo(text)


def print_columns(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns on stdout, never cut: they are read by people and by `grep` alike."""
    table = [list(headers), *([safe(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headers))]
    for row in table:
        _list("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def safe(text: str) -> str:
    """`text` on one line and without control characters, whoever it came from."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def coloured(text: str, colour: str, environ: Mapping[str, str] = os.environ) -> str:
    """`text` in `colour`, unless NO_COLOR is set; what is no terminal gets no colours from `typer.echo`."""
    return text if environ.get("NO_COLOR") else typer.style(text, fg=colour)


def iso_time(wall_s: float | None) -> str | None:
    """Wall-clock seconds as `2026-11-20T23:34:43Z`."""
    return None if wall_s is None else moments.iso_time(wall_s)


def _list(text: str) -> None:
    """Part of a list: its reader may have seen enough (`remuda routes | head`), and that is no failure."""
    try:
        typer.echo(text)
    except BrokenPipeError:
        leave_stdout()


def leave_stdout() -> None:
    """Nobody reads stdout any more. Python would complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
