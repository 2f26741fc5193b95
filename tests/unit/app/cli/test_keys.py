"""`remuda keys`."""

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
    assert main(["keys", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys: Capture, *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["keys", *arguments])
    return code, capsys.readouterr().err.removeprefix("remuda: ").rstrip()


def test_a_secret_is_shown_once_and_alone(capsys: Capture, tmp_path: Path) -> None:
    assert main(["keys", "create", "--name", "laptop"]) == 0
    shown = capsys.readouterr()
    secret = shown.out.rstrip("\n")
    assert re.fullmatch(r"rmd_[a-z2-7]{32}", secret)
    assert "laptop (key_" in shown.err
    assert "inference, read" in shown.err
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert "laptop" in listed
    assert secret[:10] in listed
    assert secret not in listed
    assert all(secret.encode() not in path.read_bytes() for path in (tmp_path / "data").iterdir())


def test_a_key_has_what_it_was_given(capsys: Capture) -> None:
    made = answer(capsys, "create", "--scope", "manage", "--scope", "admin", "--expires", "2999-01-01")
    assert made["scopes"] == ["manage", "admin"]
    assert made["expires_at"] == "2999-01-01T00:00:00Z"
    assert made["name"] == made["id"]
    assert made["state"] == "active"
    del made["key"]
    assert answer(capsys, "list") == [made]


def test_a_key_may_have_more_turns_than_another(capsys: Capture) -> None:
    assert answer(capsys, "create", "--name", "usual")["weight"] == 1
    assert answer(capsys, "create", "--name", "heavy", "--weight", "5")["weight"] == 5
    assert main(["keys", "list"]) == 0
    assert re.search(r"heavy +rmd_\S+ +inference,read +5 ", capsys.readouterr().out)
    for weight in ("0", "101", "1.5"):
        assert refusal(capsys, "create", "--weight", weight)[0] == Exit.USAGE


def test_a_weight_is_changed(capsys: Capture) -> None:
    made = answer(capsys, "create", "--name", "chat", "--weight", "5")
    del made["key"]
    assert answer(capsys, "update", "chat", "--weight", "7") == made | {"weight": 7}
    assert answer(capsys, "list") == [made | {"weight": 7}]
    assert main(["keys", "update", made["id"], "--weight", "1"]) == 0
    assert capsys.readouterr().out == f"chat ({made['id']}) has the weight 1 from now on.\n"
    for arguments in (["--weight", "0"], ["--weight", "101"], []):
        assert refusal(capsys, "update", "chat", *arguments)[0] == Exit.USAGE
    assert refusal(capsys, "update", "none", "--weight", "2") == (Exit.CHECK_FAILED, "no key is called 'none'")
    answer(capsys, "revoke", "chat")
    said = "the key 'chat' is revoked already"
    assert refusal(capsys, "update", "chat", "--weight", "2") == (Exit.CHECK_FAILED, said)


def test_a_revoked_key_is_listed_no_more(capsys: Capture) -> None:
    made = answer(capsys, "create", "--name", "old")
    assert answer(capsys, "revoke", "old")["state"] == "revoked"
    assert answer(capsys, "list") == []
    (kept,) = answer(capsys, "list", "--all")
    assert (kept["id"], kept["state"]) == (made["id"], "revoked")
    assert refusal(capsys, "revoke", "old") == (Exit.CHECK_FAILED, "the key 'old' is revoked already")
    assert refusal(capsys, "revoke", "none") == (Exit.CHECK_FAILED, "no key is called 'none'")


def test_of_two_keys_of_one_name_the_id_tells_which(capsys: Capture) -> None:
    first, second = (answer(capsys, "create", "--name", "twin") for _ in range(2))
    code, said = refusal(capsys, "revoke", "twin")
    assert code == Exit.CHECK_FAILED
    assert said == f"2 keys are called 'twin': name one by its id ({first['id']}, {second['id']})"
    assert answer(capsys, "revoke", second["id"])["id"] == second["id"]
    assert answer(capsys, "revoke", "twin")["id"] == first["id"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--expires", "soon"], "--expires: 'soon' is no time"),
        (["--expires", "1999-01-01"], "--expires: '1999-01-01' has passed already"),
        (["--name", ""], "--name: 1 to 200 printable"),
        (["--name", "a\nb"], "--name: 1 to 200 printable"),
        (["--scope", "root"], "Invalid value for '--scope'"),
    ],
)
def test_what_makes_no_key(capsys: Capture, arguments: list[str], said: str) -> None:
    code, line = refusal(capsys, "create", *arguments)
    assert code == Exit.USAGE
    assert line.startswith(said)


def test_a_store_that_cannot_be_used(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "remuda.db").write_text("something else")
    for arguments in (["list"], ["create"], ["update", "x", "--weight", "2"], ["revoke", "x"]):
        code, said = refusal(capsys, *arguments)
        assert code == Exit.STORE
        assert "is not a Remuda store" in said


def test_without_a_subcommand_there_is_help(capsys: Capture) -> None:
    assert main(["keys"]) == Exit.OK
    assert "revoke" in capsys.readouterr().out
