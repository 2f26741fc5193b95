"""The repository as the house tests see it: source files, their trees, tracked files, and the lists of exceptions."""

import ast
import os
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "remuda"
PYPROJECT = ROOT / "pyproject.toml"


def modules() -> list[Path]:
    """Every module of the package, relative to it."""
    return sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))


def room_of(module: Path) -> str:
    """The room a module stands in."""
    return module.parts[0]


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method in `tree`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@cache
def tracked() -> tuple[Path, ...]:
    """The files that git knows, relative to the root; new ones too, as long as they are not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return tuple(Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file())


@cache
def texts() -> dict[Path, str]:
    """The tracked files that are text."""
    found = {}
    for path in tracked():
        content = (ROOT / path).read_bytes()
        if b"\0" not in content:
            found[path] = content.decode("utf-8")
    return found


def exceptions(name: str) -> list[str]:
    """The list `name` of `[tool.remuda.house]`."""
    house = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"]["remuda"]["house"]
    return list(house[name])


def check_exceptions(name: str, found: Iterable[str], why: str) -> None:
    """Assert that `found` and the list of exceptions `name` are the same.

    What is not in the list fails, for the reason `why`. What is in the list and no longer found fails too: the list may
    only shrink. `ACCEPT=1` takes such entries out of pyproject.toml.
    """
    wrong, allowed = set(found), set(exceptions(name))
    assert not wrong - allowed, f"{why}: {', '.join(sorted(wrong - allowed))}"
    stale = allowed - wrong
    if stale and os.environ.get("ACCEPT") == "1":
        lines = PYPROJECT.read_text(encoding="utf-8").splitlines(keepends=True)
        PYPROJECT.write_text("".join(line for line in lines if line.strip() not in {f'"{entry}",' for entry in stale}))
        return
    assert not stale, (
        f"no longer needed in [tool.remuda.house] {name}: {', '.join(sorted(stale))} (make accept takes them out)"
    )
