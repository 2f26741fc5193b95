"""The pages that are made from the code say what the code says, and leave nothing out."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tools import code_pages, docs
from typer.main import get_command

from remuda.app.cli import app, main
from remuda.app.exits import Exit
from remuda.app.settings import leaves
from remuda.core.faults import all_faults
from remuda.core.record import RequestRecord
from remuda.engines import tiny


@pytest.mark.parametrize("made", docs.MADE_BY, ids=lambda made: made.__name__)
def test_the_page_is_current(made: Callable[[], str]) -> None:
    assert docs.MADE_BY[made].read_text(encoding="utf-8") == made(), "run: make docs"


def test_every_setting_and_its_variable_is_there() -> None:
    page = docs.settings_page()
    for leaf in leaves():
        assert f"`{'.'.join(map(str, leaf.loc))}`<br>`{leaf.variable}`" in page


def test_the_example_of_the_page_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = docs.SETTINGS_HEAD.partition("```yaml\n")[2].partition("```")[0]
    assert set(yaml.safe_load(example)) <= set(docs.schema()["properties"])
    monkeypatch.setenv("UPSTREAM_KEY", "secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    shutil.copy(tiny.CHAT, tmp_path / "models")
    config = tmp_path / "remuda.yaml"
    config.write_text(example)
    assert main(["check", "--config", str(config)]) == 0


def test_every_exit_code_and_command_is_there() -> None:
    page = docs.cli_page()
    assert all(f"| {code.value} |" in page for code in Exit)
    assert all(f"## `remuda {command.name}`" in page for command in get_command(app).commands.values())  # type: ignore[attr-defined]


def test_every_fault_is_there_with_a_sentence() -> None:
    page = docs.faults_page()
    for fault in all_faults():
        if fault.__module__.startswith("remuda."):
            assert f"| `{fault.code}` |" in page
            assert (fault.__doc__ or "").strip().endswith("."), fault


def test_every_field_of_a_record_is_there_and_says_what_it_is() -> None:
    fields = list(code_pages.fields_of_a_record())
    assert [name for name, *_ in fields] == list(RequestRecord._fields)
    assert not [name for name, _, said in fields if not said], "a field is documented by the text under it"


def test_every_room_is_on_the_tour() -> None:
    assert set(code_pages.rooms()) == {path.parent.name for path in code_pages.ROOMS.glob("*/__init__.py")}
