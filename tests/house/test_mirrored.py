"""Every module has a test of its own, found by its name."""

import ast
from pathlib import Path

from tests.house.tree import ROOT, SOURCE, check_exceptions, functions, modules, tree_of


def _does_something(module: Path) -> bool:
    """Whether a function in it does more than declare itself: plain words and records need no test."""
    for function in functions(tree_of(SOURCE / module)):
        body = [
            statement
            for statement in function.body
            if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        ]
        if body:
            return True
    return False


def _is_mirrored(module: Path, tests: set[str]) -> bool:
    """store/keys.py by store/test_keys.py or store/test_store_keys.py, in any suite; packages likewise."""
    parts = module.with_suffix("").parts
    folder, name = (parts[:-1], parts[-1]) if parts[-1] != "__init__" else (parts[:-2], parts[-2])
    wanted = {"/".join((*folder, f"test_{name}.py")), "/".join((*folder, f"test_{'_'.join((*folder[-1:], name))}.py"))}
    return bool(wanted & tests)


def test_every_module_has_a_test_of_its_own():
    suites = ROOT / "tests"
    tests = {"/".join(path.relative_to(suites).parts[1:]) for path in suites.rglob("test_*.py")}
    missing = [module.as_posix() for module in modules() if _does_something(module) and not _is_mirrored(module, tests)]
    check_exceptions("untested", missing, "no test has the name of these modules, so nobody can find it")
