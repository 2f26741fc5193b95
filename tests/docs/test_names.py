"""What the pages name is there: commands and their options, settings, metrics, faults, environment variables."""

import re
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command

from remuda.app.cli import app
from remuda.app.settings import Settings, leaves
from remuda.telemetry.catalogue import CATALOGUE
from tests.docs.pages import PAGES

OWN_VARIABLES = {"REMUDA_COMPILE", "REMUDA_CONFIG", "REMUDA_API_KEY", "REMUDA_TEST_STRICT", "REMUDA_SECTION__KEY"}
SERIES = re.compile(r"_(bucket|sum|count)$")


@cache
def code_in(page: Path) -> str:
    """What stands in code spans and blocks of a page."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE))
    return "\n".join(blocks + spans)


def commands() -> dict[str, set[str]]:
    """Every command, groups' ones as two words, and its options."""
    found: dict[str, set[str]] = {}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        for path, inner in [
            (name, command),
            *((f"{name} {sub}", c) for sub, c in getattr(command, "commands", {}).items()),
        ]:
            found[path] = {word for parameter in inner.params for word in parameter.opts} | {"--help"}
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_are_there(page: Path) -> None:
    known = commands()
    for line in re.findall(r"(?:^|[\s(]|bin/)remuda ([a-z][^\n#|)]*)", code_in(page), re.MULTILINE):
        words = line.split()
        name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
        assert name in known, f"remuda {line}"
        unknown = {word.partition("=")[0] for word in words if word.startswith("--")} - known[name]
        assert not unknown, f"remuda {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_are_there(page: Path) -> None:
    known = {".".join(map(str, leaf.loc)) for leaf in leaves()}
    sections = "|".join(name for name, field in Settings.model_json_schema()["properties"].items() if "$ref" in field)
    named = set(re.findall(rf"(?<![\w./-])((?:{sections})\.[a-z]\w+)(?![\w/]|\.\w)", code_in(page)))
    assert named - {"log.md"} <= known
    variables = set(re.findall(r"\bREMUDA_[A-Z_]+\b", code_in(page)))
    assert variables <= {leaf.variable for leaf in leaves()} | OWN_VARIABLES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_metrics_are_there(page: Path) -> None:
    named = set(re.findall(r"\bremuda_[a-z_]+[a-z]\b", code_in(page)))
    known = {metric.name for metric in CATALOGUE}
    assert {SERIES.sub("", name) for name in named} <= known | {"remuda_schema"}
