"""`remuda routes`."""

import json

import pytest

from remuda.app.cli import main


def test_the_routes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes"]) == 0
    head, *lines = (line.split() for line in capsys.readouterr().out.splitlines())
    assert head == ["METHOD", "PATH", "DIALECT", "SCOPE", "WHAT", "FOR"]
    assert ["POST", "/v1/chat/completions", "openai", "inference", "Answer", "a", "chat"] in lines
    assert main(["routes", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {
        "method": "GET",
        "path": "/livez",
        "dialect": "control",
        "scope": "public",
        "summary": "Whether the process is up",
    } in rows
    assert len(rows) == len(lines)
