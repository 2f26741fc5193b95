"""Where things stand, and what they are called."""

import ast
import re
from pathlib import Path

import pytest

from tests.house.tree import SOURCE, check_exceptions, functions, modules, room_of, tree_of

SQL = re.compile(
    r"\b(SELECT|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+TABLE|DROP\s+TABLE|ALTER\s+TABLE)\b"
)
DRAWERS = {"utils", "util", "common", "helpers", "misc", "shared", "manager", "service"}
BANNED = {"backend", "manager", "helper", "provider", "util", "utils"}
"""STYLE's one word per thing: an upstream or engine, what it does, an upstream."""
OF_DIALECTS = ("dialects", "engines")
"""Where other people's words are spoken."""
MUTATORS = {"append", "add", "update", "setdefault", "pop", "popleft", "appendleft", "extend", "insert", "remove",
            "discard", "clear"}  # fmt: skip


def _module_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        targets = [statement.target] if isinstance(statement, ast.AnnAssign) else targets
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def _changed(function: ast.AST, names: set[str]) -> set[str]:
    """Those of the module's `names` that `function` changes in place."""
    changed = set()
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attribute)) if attribute in MUTATORS:
                changed.add(name)
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                changed.add(name)
    local = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return changed & names - local


def _identifiers(tree: ast.Module) -> set[str]:
    """What the module itself names: functions, classes, parameters, variables, attributes it assigns."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                found.add(name)
    return found


def _words(identifier: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)}


@pytest.mark.parametrize("package", [m for m in modules() if m.name == "__init__.py"], ids=str)
def test_every_package_says_what_it_is(package: Path):
    said = ast.get_docstring(tree_of(SOURCE / package)) or ""
    assert said, "a package opens with what it is, its words, who calls it and what it must not know"


@pytest.mark.parametrize("room", [m for m in modules() if m.name == "__init__.py" and len(m.parts) == 2], ids=str)
def test_every_room_says_more_than_a_title(room: Path):
    said = ast.get_docstring(tree_of(SOURCE / room)) or ""
    assert "\n\n" in said, "the tour of the rooms is made of these docstrings: a title alone tells nothing"


def test_there_are_no_drawers():
    drawers = [
        module.as_posix() for module in modules() if DRAWERS & {part.removesuffix(".py") for part in module.parts}
    ]
    assert not drawers, f"a name that fits everything says nothing: {drawers}"


def test_sql_is_written_in_the_store_alone():
    found = [
        f"{module.as_posix()}:{node.lineno}"
        for module in modules()
        if room_of(module) != "store"
        for node in ast.walk(tree_of(SOURCE / module))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value)
    ]
    assert not found, f"what is kept is asked of a named function of store: {found}"


def test_no_module_keeps_state():
    found = [
        f"{module.as_posix()}:{name}"
        for module in modules()
        for tree in [tree_of(SOURCE / module)]
        for function in functions(tree)
        for name in _changed(function, _module_names(tree))
    ]
    check_exceptions("module_state", found, "objects are made in app/wiring.py and handed down; modules hold no state")


def test_one_word_per_thing():
    found = [
        f"{module.as_posix()}:{name}"
        for module in modules()
        if room_of(module) not in OF_DIALECTS
        for name in _identifiers(tree_of(SOURCE / module))
        if _words(name) & BANNED
    ]
    check_exceptions("foreign_words", found, "the glossary has another word for this")
