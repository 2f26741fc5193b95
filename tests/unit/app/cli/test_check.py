"""`remuda check`."""

import json
from pathlib import Path

import pytest

from remuda.app.cli import main
from remuda.app.exits import Exit


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_right_settings(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["check"]) == Exit.OK
    assert capsys.readouterr().out == "ok    settings: no remuda.yaml: defaults, variables and options\n"
    (tmp_path / "remuda.yaml").write_text("server: {port: 1}\n")
    assert main(["check"]) == Exit.OK
    assert capsys.readouterr().out == f"ok    settings: {tmp_path}/remuda.yaml\n"


def test_wrong_settings(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "remuda.yaml").write_text("server: {prot: 1}\n")
    assert main(["check"]) == Exit.CHECK_FAILED
    said = "remuda.yaml:1: server.prot: unknown key (did you mean port?)"
    assert capsys.readouterr().err == f"remuda: {said}\n"
    assert main(["check", "--json"]) == Exit.CHECK_FAILED
    answer = json.loads(capsys.readouterr().out)
    assert answer == {
        "is_ok": False,
        "findings": [{"level": "fail", "subject": "settings", "message": said, "advice": ""}],
    }


def test_an_upstream_where_nothing_is_called(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "remuda.yaml").write_text("upstreams:\n  - url: http://169.254.169.254\n")
    assert main(["check"]) == Exit.CHECK_FAILED
    assert capsys.readouterr().err == (
        "remuda: remuda.yaml:2: upstreams.0: 169.254.169.254 is where a cloud keeps its machines' credentials: "
        "nothing is called there\n"
    )


def test_files_that_are_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "remuda.yaml").write_text("models: {paths: [nope.gguf]}\n")
    assert main(["check"]) == Exit.CHECK_FAILED
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"fail  model: {tmp_path}/nope.gguf: no such file or directory",
        "      to do: correct models.paths or --model, or download the file again",
    ]


def test_where_each_value_is_from(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "remuda.yaml").write_text("log:\n  level: debug\n")
    monkeypatch.setenv("API_KEYS", "0123456789-secret")
    monkeypatch.setenv("REMUDA_SERVER__PORT", "5")
    assert main(["check", "--origins"]) == Exit.OK
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert ["log.level", '"debug"', "remuda.yaml:2"] in lines
    assert ["server.port", "5", "REMUDA_SERVER__PORT"] in lines
    assert ["auth.api_keys", '["**********"]', "API_KEYS"] in lines
    assert ["server.host", '"127.0.0.1"', "default"] in lines
    assert "0123456789" not in out
    assert main(["check", "--origins", "--json"]) == Exit.OK
    answer = json.loads(capsys.readouterr().out)
    assert {"setting": "server.port", "value": "5", "origin": "REMUDA_SERVER__PORT"} in answer["settings"]


def test_what_serve_refuses_is_refused_here(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REMUDA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("REMUDA_SERVER__HOST", "0.0.0.0")
    assert main(["check"]) == Exit.CHECK_FAILED
    assert "fail  keys: listening beyond this machine needs an API key first" in capsys.readouterr().out
    assert main(["keys", "create"]) == Exit.OK
    assert main(["check"]) == Exit.OK
