"""Options that several subcommands share."""

from pathlib import Path

import pytest

from remuda.app.cli.options import settings_from
from remuda.app.settings import Settings


def test_an_option_that_was_not_used_sets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings_from(None, host=None, model=[], upstream=None) == Settings(data_dir=tmp_path / "no-data")


def test_an_option_is_named_as_the_user_wrote_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = settings_from(None, log_level="debug", port=0)
    assert str(settings.origin("log.level")) == "--log-level"
    assert str(settings.origin("server.port")) == "--port"
