"""The `remuda` command as a whole: exit codes, errors, and what starting it costs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from remuda import __version__
from remuda.app import cli
from remuda.app.exits import Exit


def remuda(*arguments: str, folder: Path, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as users do, in a folder of its own and with nothing of ours in its environment."""
    return subprocess.run(
        [sys.executable, "-m", "remuda", *arguments],
        cwd=folder,
        env={"PATH": "", "HOME": str(folder), "REMUDA_DATA_DIR": str(folder / "data"), **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def test_starting_it_imports_nothing_heavy() -> None:
    script = "import sys, json, remuda.app.cli; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    heavy = {
        "aiohttp",
        "alembic",
        "asyncio",
        "fastapi",
        "pydantic",
        "rich",
        "sqlalchemy",
        "uvicorn",
        "xllamacpp",
        "yaml",
    }
    assert not loaded & heavy


def test_help_and_version(tmp_path: Path) -> None:
    for arguments in ([], ["--help"]):
        done = remuda(*arguments, folder=tmp_path)
        assert (done.returncode, done.stderr) == (Exit.OK, "")
        assert "serve" in done.stdout
    assert remuda("--version", folder=tmp_path).stdout == f"{__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--prot"], "remuda: No such option: --prot"),
        (["sreve"], "remuda: No such command 'sreve'"),
        (["serve", "--port", "x"], "remuda: Invalid value for '--port': "),
    ],
)
def test_a_wrong_command_line(tmp_path: Path, arguments: list[str], line: str) -> None:
    done = remuda(*arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert done.stderr.startswith(line)
    assert done.stderr.rstrip().endswith("--help)")
    assert done.stderr.count("\n") == 1


def test_wrong_settings_are_told_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "remuda.yaml").write_text("server:\n  prot: 1\nlgo: {}\n")
    done = remuda("serve", "--host", "", folder=tmp_path)
    assert (done.returncode, done.stdout) == (Exit.CONFIGURATION, "")
    assert done.stderr.splitlines() == [
        "remuda: --host: server.host: names no host: 127.0.0.1 is this machine only, 0.0.0.0 every network",
        "remuda: remuda.yaml:2: server.prot: unknown key (did you mean port?)",
        "remuda: remuda.yaml:3: lgo: unknown key (did you mean log?)",
    ]


def raising(error: BaseException) -> Callable[..., object]:
    def app(*_: object, **__: object) -> None:
        raise error

    return app


def test_what_nobody_foresaw_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    broken = raising(RuntimeError("broken\nbadly"))
    assert cli.main([], broken) == Exit.CHECK_FAILED
    assert capsys.readouterr().err == "remuda: unexpected RuntimeError: broken (remuda --debug shows where)\n"
    with pytest.raises(RuntimeError):
        cli.main(["--debug"], broken)


def test_ctrl_c_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([], raising(KeyboardInterrupt())) == Exit.INTERRUPTED
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(os.name != "posix", reason="pipes break in their own way elsewhere")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["routes"], Exit.OK),
        (["routes", "--json"], Exit.OK),
        (["models"], Exit.OK),
        (["keys", "list", "--json"], Exit.OK),
        (["keys", "create"], Exit.CHECK_FAILED),
    ],
)
def test_a_reader_who_has_seen_enough_of_a_list_may_leave(tmp_path: Path, arguments: list[str], code: Exit) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    variables = {**os.environ, "REMUDA_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "remuda", *arguments],
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=variables,
    )
    os.close(writing)
    assert done.returncode == code, done.stderr
    assert b"Broken" not in done.stderr
