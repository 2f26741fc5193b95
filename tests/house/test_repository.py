"""What may be in the repository, and what not."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.house.tree import PYPROJECT, ROOT, texts, tracked

MACHINE_PATH = re.compile(r"(?<![\w.])/(?:root|work/(?:wt|main|shared)|Users/\w+|home/(?!user\b|me\b|you\b)\w+)/")
INDEX_HOST = re.compile(r"\bpypi" r"\.(?:org|io)\b|pythonhosted" r"\.org|" r"/simple/?(?=[\s\"'`]|$)")
EXEMPT = {Path("tests/house/test_repository.py"), Path("LICENSE")}
MAX_BYTES = 2 * 2**20
"""The largest file is a shipped model of about 1 MB."""
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize(("what", "pattern"), [("a machine's path", MACHINE_PATH), ("an index", INDEX_HOST)])
def test_no_file_names(what: str, pattern: re.Pattern[str]):
    found = [
        f"{path}: {hit.group()}"
        for path, text in texts().items()
        if path not in EXEMPT
        for hit in pattern.finditer(text)
    ]
    assert not found, f"{what} means nothing on another machine: {found}"


def test_no_lock_file_of_uv():
    assert not [path for path in tracked() if path.name == "uv.lock"], "it carries index addresses; see requirements/"


def test_files_are_small():
    large = [f"{path}" for path in tracked() if (ROOT / path).stat().st_size > MAX_BYTES]
    assert not large, f"git keeps a large file for ever: {large}"


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_are_exact_hashed_and_without_addresses(path: Path):
    text = path.read_text(encoding="utf-8")
    assert "://" not in text, "an address in a requirements file ties everybody to one index"
    assert not re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE), "options belong to whoever installs"
    entries = [entry for entry in re.split(r"\n(?=\S)", text.strip()) if not entry.startswith("#")]
    loose = [entry.splitlines()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]
    assert entries
    assert not loose, f"not an exact version with a hash: {loose}"


def test_what_is_installed_to_run_is_part_of_what_is_installed_to_test():
    def names(path: Path) -> set[str]:
        return set(re.findall(r"^([a-z0-9][\w.\-\[\]]*==[^ ;\\]+)", path.read_text(encoding="utf-8"), re.MULTILINE))

    run, dev = (names(ROOT / "requirements" / f"{name}.txt") for name in ("run", "dev"))
    assert run <= dev, f"tests would run with other versions than the product: {run - dev}"


def test_the_lists_of_exceptions_have_no_entry_twice():
    for name, entries in tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"]["remuda"]["house"].items():
        assert sorted(set(entries)) == sorted(entries), f"[tool.remuda.house] {name}"
