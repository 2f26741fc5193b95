"""Tests hand in what they want otherwise: a patched name is a seam that the code does not have."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import ROOT, check_exceptions, functions, tracked, tree_of


def _patches(path: Path) -> Iterator[str]:
    """The functions in the file `path` that call a MonkeyPatch's `setattr`, whatever it is called there. What stands in
    a process's stdin is handed in so."""
    for function in functions(tree_of(ROOT / path)):
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setattr":
                target = node.args[0]
                if not (isinstance(target, ast.Constant) and target.value == "sys.stdin"):
                    yield f"{path.as_posix()}:{function.name}"


def test_no_test_patches():
    files = [path for path in tracked() if path.parts[0] == "tests" and path.suffix == ".py"]
    found = [place for path in files for place in _patches(path)]
    check_exceptions("patched", found, "hand it in, as an argument or a fake server, instead of patching it")
