"""The files that the settings name."""

import shutil
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

from remuda.app.checks.files import check_data_dir, check_files
from remuda.app.settings import Settings
from remuda.engines import tiny
from remuda.engines.transformers.process import NOT_INSTALLED
from tests.fixtures.converted import need_transformers, write_hollow


def said(**values: Any) -> list[str]:
    return [f"{finding.level} {finding.subject}: {finding.message}" for finding in check_files(Settings(**values))]


def test_settings_that_name_no_files_need_none() -> None:
    assert said() == []


def test_every_model_is_looked_at(tmp_path: Path) -> None:
    shutil.copy(tiny.CHAT, tmp_path / "good.gguf")
    (tmp_path / "bad.gguf").write_bytes(b"<html>")
    good, bad, nothing = said(models={"paths": [tmp_path, tmp_path / "nope.gguf"]})
    assert good == f"ok model: good: {tmp_path}/good.gguf"
    assert bad.startswith(f"warn model: {tmp_path}/bad.gguf: ")
    assert bad.endswith("(left out)")
    assert nothing == f"fail model: {tmp_path}/nope.gguf: no such file or directory"


def test_two_models_of_one_name_are_told(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        shutil.copy(tiny.CHAT, tmp_path / folder / "a.gguf")
    *_, last = said(models={"paths": [tmp_path / "x", tmp_path / "y"]})
    assert last.startswith("fail model: ")
    assert "would both be called a" in last


def test_models_in_transformers_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_hollow(tmp_path / "mine")
    monkeypatch.setitem(sys.modules, "torch", None)  # what Python itself does to make an import fail
    assert said(models={"paths": [folder]}) == [f"ok model: mine: {folder}", f"fail engine: {NOT_INSTALLED}"]
    (folder / "config.json").write_text("{}")
    assert said(transformers={"models": ["gpt2", str(folder)]}) == [
        "ok model: gpt2: of the Hugging Face hub, looked for when it is first loaded",
        f"fail model: {folder}: config.json: names no model_type",
        f"fail engine: {NOT_INSTALLED}",
    ]


def test_the_engine_for_them() -> None:
    need_transformers()
    assert said(transformers={"models": ["gpt2"]})[1].startswith("ok engine: transformers 5")


def test_the_engines_program_must_be_one(tmp_path: Path) -> None:
    program = tmp_path / "llama-server"
    assert said(llamacpp={"llama_server": program}) == [f"fail engine: llama-server: {program} does not exist"]
    program.touch()
    (line,) = said(llamacpp={"llama_server": program})
    assert line.endswith("is not an executable program")
    program.chmod(0o755)
    assert said(llamacpp={"llama_server": program}) == [f"ok engine: llama-server: {program}"]


def test_certificates_must_be_readable(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    files = {"tls_cert": cert, "tls_key": key}
    assert said(server=files) == [f"fail tls: {cert} cannot be read: No such file or directory"]
    cert.write_text("no certificate")
    key.write_text("no key")
    (line,) = said(server=files)
    assert line.startswith(f"fail tls: {cert} and {key} cannot be used")


def test_a_ca_file_must_hold_certificates(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("nothing")
    assert said(upstreams=[{"url": "https://h", "ca_file": ca}]) == [f"fail tls: h:443: {ca} holds no certificates"]
    ca.unlink()
    assert said(upstreams=[{"url": "https://h", "ca_file": ca}]) == [
        f"fail tls: h:443: {ca} cannot be read: No such file or directory"
    ]
    system = ssl.get_default_verify_paths().cafile
    if system is not None:
        assert said(upstreams=[{"url": "https://h", "ca_file": system}]) == []


def found(path: Path) -> str:
    (finding,) = check_data_dir(Settings(data_dir=path))
    return f"{finding.level} {finding.message}"


def test_the_data_folder(tmp_path: Path) -> None:
    assert found(tmp_path) == f"ok {tmp_path} is writable"
    assert found(tmp_path / "a" / "b") == f"ok {tmp_path}/a/b will be made on first use"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    assert found(tmp_path / "file" / "x") == f"fail {tmp_path}/file is not a folder"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no folder where nobody may write")
def test_a_data_folder_where_nobody_may_write() -> None:
    assert found(Path("/sys")).startswith("fail /sys cannot be written: ")
