"""`remuda backup` and `remuda restore`."""

import json
from pathlib import Path

import pytest

from remuda.app.cli import main
from remuda.app.exits import Exit

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REMUDA_DATA_DIR", str(tmp_path / "data"))


def names(capsys: Capture, *options: str) -> list[str]:
    capsys.readouterr()
    assert main(["keys", "list", "--json", *options]) == 0
    return [key["name"] for key in json.loads(capsys.readouterr().out)]


def test_there_and_back(capsys: Capture, tmp_path: Path) -> None:
    main(["keys", "create", "--name", "one"])
    assert main(["backup", "saved"]) == 0
    assert "Keys: 1. Requests in the journal: 0. Nodes: 0. Files: 0." in capsys.readouterr().out
    assert main(["restore", "saved", "--data", "other", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["keys"] == 1
    assert names(capsys, "--data", "other") == ["one"]


def test_what_is_there_is_replaced_only_by_force(capsys: Capture) -> None:
    main(["keys", "create", "--name", "one"])
    main(["backup", "saved"])
    main(["keys", "create", "--name", "two"])
    capsys.readouterr()
    assert main(["restore", "saved"]) == Exit.STORE
    assert capsys.readouterr().err.startswith("remuda: ")
    assert names(capsys) == ["one", "two"]
    assert main(["restore", "saved", "--force"]) == 0
    assert names(capsys) == ["one"]


def test_a_backup_overwrites_nothing(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "saved").write_text("mine")
    assert main(["backup", "saved"]) == Exit.STORE
    assert capsys.readouterr().err == "remuda: saved exists: a backup overwrites nothing\n"
    assert (tmp_path / "saved").read_text() == "mine"


def test_what_is_no_backup(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "saved").write_text("something else")
    for name in ("saved", "absent"):
        assert main(["restore", name]) == Exit.STORE
        assert capsys.readouterr().err.startswith("remuda: ")
