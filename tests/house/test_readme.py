"""The README stays a page, and a newcomer needs two commands."""

import re

from tests.house.tree import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_short():
    assert len(README.splitlines()) <= 110, "what does not fit belongs into docs/"


def test_it_begins_with_exactly_two_commands():
    section = README.partition("## Two commands")[2].partition("\n## ")[0]
    [block] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    commands = [line.partition("#")[0].strip() for line in block.splitlines() if line.partition("#")[0].strip()]
    assert commands == ["make run", "make test"]


def test_it_wears_no_badges():
    assert "[![" not in README, "a badge tells what the reader could see by trying"
