"""Change-log fragments have the form that a release can gather."""

import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT, SOURCE, modules

FOLDER = ROOT / "changelog.d"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(feature|fix|security|change|removal)\.md")
FRAGMENTS = sorted(path for path in FOLDER.iterdir() if path.name != "README.md")


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_is_one_paragraph_for_an_operator(path: Path):
    text = path.read_text(encoding="utf-8")
    assert NAME.fullmatch(path.name), "see changelog.d/README.md for how fragments are named"
    assert text.endswith(".\n"), "a fragment is made of sentences"
    assert not re.search(r"\n\s*\n|^[#*-] ", text, re.MULTILINE), "one paragraph: no headings, no lists"
    assert len(text) <= 600, "a fragment says what changed, the documentation says the rest"


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_names_no_module(path: Path):
    text = path.read_text(encoding="utf-8")
    named = [module.as_posix() for module in modules() if module.as_posix() in text]
    assert not named, f"an operator has not read {SOURCE.name}'s code: {named}"
