"""How `remuda serve` ends where it cannot start: one clear line, and the code that the documentation names."""

import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from remuda.app.exits import Exit


def refused(folder: Path, *options: str) -> tuple[int, str]:
    """Exit code and message of a gateway that is to fail at once."""
    done = subprocess.run(
        [sys.executable, "-m", "remuda", "serve", "--data", "data", "--port", "0", *options],
        cwd=folder,
        env={"PATH": "", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=110,  # only against hanging
        check=False,
    )
    assert "Traceback" not in done.stderr
    *_, last = done.stderr.splitlines()
    assert last.startswith("remuda: ")
    return done.returncode, last.removeprefix("remuda: ")


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, said = refused(tmp_path, "--port", str(taken.getsockname()[1]))
    assert code == Exit.BIND
    assert "the port is in use" in said


def test_a_foreign_bind_without_keys(tmp_path: Path) -> None:
    code, said = refused(tmp_path, "--host", "0.0.0.0")
    assert code == Exit.CONFIGURATION
    assert "remuda keys create" in said


@pytest.mark.parametrize("content", [None, b"<html>"])
def test_a_model_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.gguf").write_bytes(content)
    code, said = refused(tmp_path, "--model", "a.gguf")
    assert code == Exit.ENGINE
    assert "a.gguf" in said


def test_a_data_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    code, said = refused(tmp_path)
    assert code == Exit.STORE
    assert "data" in said


def test_a_store_of_a_newer_version(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with sqlite3.connect(tmp_path / "data" / "remuda.db") as database:
        database.execute("CREATE TABLE remuda_schema (version_num TEXT)")
        database.execute("INSERT INTO remuda_schema VALUES ('9999')")
    database.close()
    code, said = refused(tmp_path)
    assert code == Exit.STORE
    assert "newer than this Remuda" in said


def test_certificates_that_are_none(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("nothing")
    code, said = refused(tmp_path, "--tls-cert", "cert.pem", "--tls-key", "key.pem")
    assert code == Exit.CONFIGURATION
    assert "cert.pem" in said
