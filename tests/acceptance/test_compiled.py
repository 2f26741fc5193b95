"""Which package the tests are run on: `make test-compiled` hands the compiled one in by PYTHONPATH."""

import importlib
import os
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HOOK = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"][
    "wheel"
]["hooks"]["custom"]
MODULES = [path.removesuffix(".py").replace("/", ".") for path in HOOK["modules"]]
FOLDER = os.environ.get("PYTHONPATH", "")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_what_it_was_to_be(module: str) -> None:
    file = Path(importlib.import_module(module).__file__ or "")
    if FOLDER.endswith("compiled"):
        assert file.is_relative_to(FOLDER)
        assert file.suffix in {".so", ".pyd"}
    else:
        assert file.suffix == ".py"


def test_what_compiles_is_what_checks() -> None:
    exact = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    for requirement in HOOK["requires"]:
        assert f"{requirement} \\\n" in exact
