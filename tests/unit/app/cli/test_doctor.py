"""`remuda doctor`."""

import json
import shutil
from pathlib import Path

import pytest

from remuda.app.cli import main
from remuda.app.exits import Exit
from remuda.engines import tiny


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REMUDA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("REMUDA_SERVER__PORT", "0")


def test_all_is_well(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shutil.copy(tiny.CHAT, tmp_path / "model.gguf")
    (tmp_path / "llama-server").touch(0o755)
    (tmp_path / "remuda.yaml").write_text("models: {paths: [model.gguf]}\nllamacpp: {llama_server: ./llama-server}\n")
    assert main(["doctor", "--json"]) == Exit.OK
    answer = json.loads(capsys.readouterr().out)
    assert answer["is_ok"]
    subjects = [finding["subject"] for finding in answer["findings"]]
    assert subjects == ["settings", "data", "store", "engine", "model", "engine", "clock"]
    assert not (tmp_path / "data").exists()


def test_what_does_not_work_is_told_with_what_to_do(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "remuda.yaml").write_text("models: {paths: [nope.gguf]}\nllamacpp: {llama_server: ./nope}\n")
    assert main(["doctor"]) == Exit.CHECK_FAILED
    lines = capsys.readouterr().out.splitlines()
    assert f"fail  model: {tmp_path}/nope.gguf: no such file or directory" in lines
    assert "      to do: correct models.paths or --model, or download the file again" in lines


def test_wrong_settings_are_findings_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "remuda.yaml").write_text("a: 1\nb: 2\n")
    assert main(["doctor"]) == Exit.CHECK_FAILED
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("fail")] == [
        "fail  settings: remuda.yaml:1: a: unknown key",
        "fail  settings: remuda.yaml:2: b: unknown key",
    ]


def test_what_serve_refuses_is_refused_here(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REMUDA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("REMUDA_SERVER__HOST", "0.0.0.0")
    assert main(["doctor"]) == Exit.CHECK_FAILED
    assert "fail  keys: listening beyond this machine needs an API key first" in capsys.readouterr().out
    assert main(["keys", "create"]) == Exit.OK
    assert main(["doctor"]) == Exit.OK
