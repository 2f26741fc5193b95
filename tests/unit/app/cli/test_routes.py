"""`remuda routes`."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from remuda.app.cli import main


@pytest.fixture(autouse=True)
def _wiring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A gateway of one route."""
    wiring = ModuleType("remuda.app.wiring")
    wiring.route_table = lambda _settings: [("GET", "/v1/models", "openai", "read", "List the models")]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "remuda.app.wiring", wiring)
    monkeypatch.chdir(tmp_path)


def test_the_routes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "METHOD  PATH        DIALECT  SCOPE  WHAT FOR",
        "GET     /v1/models  openai   read   List the models",
    ]
    assert main(["routes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"method": "GET", "path": "/v1/models", "dialect": "openai", "scope": "read", "summary": "List the models"}
    ]
