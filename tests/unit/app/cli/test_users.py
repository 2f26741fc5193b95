"""`remuda users`."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from remuda.app.cli import main
from remuda.app.exits import Exit

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REMUDA_DATA_DIR", str(tmp_path / "data"))


def answer(capsys: Capture, *arguments: str) -> Any:
    capsys.readouterr()
    assert main(["users", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys: Capture, *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["users", *arguments])
    return code, capsys.readouterr().err.removeprefix("remuda: ").rstrip()


def test_a_first_password_is_shown_once_and_alone(capsys: Capture, tmp_path: Path) -> None:
    assert main(["users", "add", "root"]) == 0
    shown = capsys.readouterr()
    password = shown.out.rstrip("\n")
    assert re.fullmatch(r"[a-z2-7]{24}", password)
    assert shown.err == "root may use: admin. The password is shown only now:\n"
    assert main(["users", "list"]) == 0
    listed = capsys.readouterr().out
    assert re.search(r"^root +admin +20\S+Z +-$", listed, re.MULTILINE)
    assert password not in listed
    assert all(password.encode() not in path.read_bytes() for path in (tmp_path / "data").iterdir())


def test_the_first_is_the_administrator(capsys: Capture) -> None:
    assert answer(capsys, "add", "root")["scopes"] == ["admin"]
    assert answer(capsys, "add", "ann")["scopes"] == ["inference", "read"]
    assert answer(capsys, "add", "max", "--scope", "manage", "--scope", "read")["scopes"] == ["read", "manage"]
    assert [user["name"] for user in answer(capsys, "list")] == ["ann", "max", "root"]


def test_a_password_may_come_from_stdin(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\nand more"))
    assert main(["users", "add", "root", "--password-stdin"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "root may use: admin.\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("battery staple"))
    assert answer(capsys, "password", "root", "--password-stdin") == {"name": "root", "password": None}
    for short in ("", "short12\n"):
        monkeypatch.setattr("sys.stdin", io.StringIO(short))
        code, said = refusal(capsys, "password", "root", "--password-stdin")
        assert (code, said) == (Exit.USAGE, "a password has at least 8 characters and at most 512 bytes")


def test_another_password_is_shown_too(capsys: Capture) -> None:
    first = answer(capsys, "add", "root")["password"]
    assert main(["users", "password", "root"]) == 0
    second = capsys.readouterr().out.rstrip("\n")
    assert re.fullmatch(r"[a-z2-7]{24}", second)
    assert second != first


def test_who_is_removed_is_listed_no_more(capsys: Capture) -> None:
    answer(capsys, "add", "root")
    assert main(["users", "remove", "root"]) == 0
    assert capsys.readouterr().out == "root is no user any more.\n"
    assert answer(capsys, "list") == []


def test_what_cannot_be_done(capsys: Capture) -> None:
    answer(capsys, "add", "root")
    assert refusal(capsys, "add", "root") == (
        Exit.CHECK_FAILED,
        "there is a user called 'root' already: remuda users password root",
    )
    for command in ("password", "remove"):
        assert refusal(capsys, command, "nobody") == (Exit.CHECK_FAILED, "no user is called 'nobody'")
    for name in ("", "a b", "x" * 65, "a\nb"):
        code, said = refusal(capsys, "add", name)
        assert code == Exit.USAGE
        assert said.startswith("a user's name is 1 to 64")
    code, said = refusal(capsys, "add", "ann", "--scope", "root")
    assert code == Exit.USAGE
    assert said.startswith("Invalid value for '--scope'")


def test_a_store_that_cannot_be_used(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "remuda.db").write_text("something else")
    for arguments in (["list"], ["add", "root"], ["remove", "root"], ["password", "root"]):
        code, said = refusal(capsys, *arguments)
        assert code == Exit.STORE
        assert "is not a Remuda store" in said


def test_without_a_subcommand_there_is_help(capsys: Capture) -> None:
    assert main(["users"]) == Exit.OK
    assert "password" in capsys.readouterr().out
