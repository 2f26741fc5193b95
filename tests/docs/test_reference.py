"""What docs/reference says of settings, the command line and routes is what the code says."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tools import docs

from remuda.app.cli import main
from remuda.app.settings import leaves


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
    config = tmp_path / "remuda.yaml"
    config.write_text(example)
    assert main(["check", "--config", str(config)]) == 0
