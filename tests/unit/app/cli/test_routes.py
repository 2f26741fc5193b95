"""`remuda routes`."""

import json

import pytest

from remuda.app.cli import main


def test_the_routes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes"]) == 0
    listed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["POST", "/v1/chat/completions", "openai", "inference"] in [words[:4] for words in listed]
    assert main(["routes", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == len(listed)
    assert {"method", "path", "dialect", "scope", "summary"} <= set(rows[0])
