"""`remuda version`."""

import json

import pytest

from remuda import __version__
from remuda.app.cli import main


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"
    assert main(["version", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["version"] == __version__
    assert set(answer) == {"version", "python", "platform", "engines"}
