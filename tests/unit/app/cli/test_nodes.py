"""`remuda nodes`."""

import asyncio
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from remuda.app.cli import main
from remuda.app.exits import Exit
from remuda.store import open_store, store_url_in
from remuda.store.nodes import list_nodes, update_node

Capture = pytest.CaptureFixture[str]
URL = "http://10.0.0.5:11434"


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REMUDA_DATA_DIR", str(tmp_path / "data"))


def answer(capsys: Capture, *arguments: str) -> Any:
    capsys.readouterr()
    assert main(["nodes", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys: Capture, *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["nodes", *arguments])
    return code, capsys.readouterr().err.removeprefix("remuda: ").rstrip()


def test_a_node_is_listed_as_it_was_added(capsys: Capture) -> None:
    made = answer(capsys, "add", f"{URL}/v1", "--name", "gpu", "--kind", "ollama", "--slots", "4", "--weight", "2")
    assert made == {
        "id": 1,
        "name": "gpu",
        "url": URL,
        "kind": "ollama",
        "slots": 4,
        "weight": 2,
        "is_drained": False,
        "credential": None,
        "created_at": made["created_at"],
    }
    assert answer(capsys, "list") == [made]
    assert main(["nodes", "list"]) == 0
    assert URL in capsys.readouterr().out


def test_a_node_without_a_name_is_called_by_host_and_port(capsys: Capture) -> None:
    assert answer(capsys, "add", URL)["name"] == "10.0.0.5:11434"


def test_a_key_is_kept_sealed_and_never_shown(capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("sk-node-secret\n"))
    assert answer(capsys, "add", URL, "--api-key-stdin")["credential"] == "sealed"
    assert main(["nodes", "list"]) == 0
    assert "sk-node-secret" not in capsys.readouterr().out
    assert all(b"sk-node-secret" not in path.read_bytes() for path in (tmp_path / "data").iterdir())


def test_a_key_in_the_environment_is_kept_by_its_name(capsys: Capture) -> None:
    assert answer(capsys, "add", URL, "--api-key-env", "GPU_KEY")["credential"] == "env:GPU_KEY"


def test_a_node_is_drained_undrained_and_removed_by_name_or_id(capsys: Capture) -> None:
    answer(capsys, "add", URL, "--name", "gpu")
    assert answer(capsys, "drain", "gpu")["is_drained"]
    assert not answer(capsys, "undrain", "1")["is_drained"]
    assert answer(capsys, "remove", "gpu")["id"] == 1
    assert answer(capsys, "list") == []


def test_what_cannot_be_a_node_is_refused(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    for url, word in (
        ("ftp://10.0.0.5", "http://"),
        ("http://169.254.169.254/", "credentials"),
        ("unix:/run/x.sock", "unix socket"),
        ("http://me:secret@10.0.0.5", "user name"),
        ("http://10.0.0.5:99999", "ort"),
        ("http://127.1:11434", "unusual spelling"),
    ):
        code, said = refusal(capsys, "add", url)
        assert (code, word in said, "secret" in said) == (Exit.USAGE, True, False), (url, said)
    assert refusal(capsys, "add", URL, "--name", "a/b")[0] == Exit.USAGE
    for name in ("3", "-1"):
        code, said = refusal(capsys, "add", URL, "--name", name)
        assert (code, "no number, since ids are" in said) == (Exit.USAGE, True)
    assert refusal(capsys, "add", URL, "--slots", "0")[0] == Exit.USAGE
    assert refusal(capsys, "add", URL, "--weight", "0")[0] == Exit.USAGE
    assert refusal(capsys, "add", URL, "--kind", "printer")[0] == Exit.USAGE
    assert refusal(capsys, "add", URL, "--api-key-env", "not a name")[0] == Exit.USAGE
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert refusal(capsys, "add", URL, "--api-key-stdin") == (
        Exit.USAGE,
        "--api-key-stdin: there is nothing on stdin",
    )


def test_a_name_or_an_address_is_taken_once(capsys: Capture) -> None:
    answer(capsys, "add", URL, "--name", "gpu")
    assert "already" in refusal(capsys, "add", f"{URL}/v1/")[1]
    assert "already" in refusal(capsys, "add", "http://10.0.0.6", "--name", "gpu")[1]
    assert answer(capsys, "add", "http://localhost:9")["url"] == "http://localhost:9"
    assert "already" in refusal(capsys, "add", "http://[::ffff:127.0.0.1]:9")[1]


def test_nodes_of_the_settings_are_listed_and_changed_only_there(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "remuda.yaml").write_text(
        "upstreams:\n  - {url: 'http://10.0.0.9:8000', name: fixed, kind: ollama, api_key: sk-x, drain: true}\n"
    )
    [listed] = answer(capsys, "list")
    assert (listed["id"], listed["name"], listed["kind"]) == (-1, "fixed", "ollama")
    assert (listed["credential"], listed["is_drained"]) == ("settings", True)
    for word in ("fixed", "-1"):
        code, said = refusal(capsys, "drain", "--", word)
        assert code == Exit.CHECK_FAILED
        assert "remuda.yaml" in said
    for url in ("http://10.0.0.9:8000/v1", "http://[::ffff:10.0.0.9]:8000"):
        assert "already" in refusal(capsys, "add", url)[1]


def test_a_word_that_means_two_nodes_removes_neither(capsys: Capture, tmp_path: Path) -> None:
    async def rename() -> None:  # as earlier versions let one be called
        store = await open_store(store_url_in(tmp_path / "data"))
        _, [_, two] = await list_nodes(store)
        await update_node(store, replace(two, name="1"))
        await store.close()

    answer(capsys, "add", URL, "--name", "gpu")
    answer(capsys, "add", "http://10.0.0.6", "--name", "two")
    asyncio.run(rename())
    said = "'1' is the id of one node and the name of another: say gpu or 2"
    for command in ("remove", "drain"):
        assert refusal(capsys, command, "1") == (Exit.CHECK_FAILED, said)
    assert answer(capsys, "remove", "2")["name"] == "1"
    (tmp_path / "remuda.yaml").write_text("upstreams: [{url: 'http://10.0.0.9', name: '1'}]\n")
    said = "'1' is the id of one node and the name of another: say gpu or -1"
    assert refusal(capsys, "remove", "1") == (Exit.CHECK_FAILED, said)
    assert answer(capsys, "remove", "gpu")["id"] == 1


def test_an_unknown_node_is_said(capsys: Capture) -> None:
    assert refusal(capsys, "remove", "nobody") == (Exit.CHECK_FAILED, "no node is called 'nobody'")
