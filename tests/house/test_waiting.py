"""Tests wait for what they wait for, never for a time: too long on a quick machine, too short on a slow one."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import ROOT, check_exceptions, tracked, tree_of

SLEEPS = {("asyncio", "sleep"), ("time", "sleep")}


def _sleeps(path: Path) -> Iterator[str]:
    """The functions in the file `path` that sleep; a sleep of 0 only gives others their turn."""
    for outer in ast.walk(tree_of(ROOT / path)):
        if not isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(outer):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner = node.func.value
            is_sleep = isinstance(owner, ast.Name) and (owner.id, node.func.attr) in SLEEPS
            is_turn = bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
            if is_sleep and not is_turn:
                yield f"{path.as_posix()}:{outer.name}"


def test_no_test_sleeps():
    files = [path for path in tracked() if path.parts[0] == "tests" and path.suffix == ".py"]
    found = [place for path in files for place in _sleeps(path)]
    check_exceptions("polling", found, "wait for an event or poll in a listed helper instead of sleeping")
