"""`remuda serve`: the settings that its options make."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from remuda.app.cli import main
from remuda.app.exits import Exit
from remuda.app.settings import Settings
from tests.fixtures.parts import missing
from tests.fixtures.raw import certificate_in


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Settings]:
    """The settings that a gateway was started with; it ends at once with code 6."""
    seen: list[Settings] = []

    def run(settings: Settings) -> int:
        seen.append(settings)
        return 6

    server = ModuleType("remuda.app.server")
    server.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "remuda.app.server", server)
    monkeypatch.chdir(tmp_path)
    return seen


def test_without_options_all_is_default_and_the_gateways_code_is_the_commands(
    served: list[Settings], tmp_path: Path
) -> None:
    assert main(["serve"]) == 6
    assert served == [Settings(data_dir=tmp_path / "no-data")]


def test_every_option_reaches_its_setting(served: list[Settings], tmp_path: Path) -> None:
    certificate = certificate_in(tmp_path)
    if certificate is None:
        missing("openssl")
    certificate.rename("c")
    (tmp_path / "key.pem").rename("k")
    program = tmp_path / "bin" / "ls"
    program.parent.mkdir()
    program.touch(mode=0o755)
    options = "--host 0.0.0.0 --port 80 --data d --model a.gguf --model b --upstream http://x --upstream http://y/v1 "
    options += "--llama-server bin/ls --tls-cert c --tls-key k --log-level debug --log-format json"
    main(["serve", *options.split()])
    (settings,) = served
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 80)
    assert settings.data_dir == tmp_path / "d"
    assert settings.models.paths == (tmp_path / "a.gguf", tmp_path / "b")
    assert [upstream.url for upstream in settings.upstreams] == ["http://x", "http://y/v1"]
    assert settings.llamacpp.llama_server == tmp_path / "bin/ls"
    assert (settings.server.tls_cert, settings.server.tls_key) == (tmp_path / "c", tmp_path / "k")
    assert (settings.log.level, settings.log.format) == ("debug", "json")
    assert str(settings.origin("upstreams")) == "--upstream"


def test_options_come_before_the_file(served: list[Settings], tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("server: {port: 1, host: 127.0.0.2}\nmodels: {paths: [x.gguf]}\n")
    main(["serve", "--config", "other.yaml", "--port", "2", "--model", "y.gguf"])
    (settings,) = served
    assert (settings.server.host, settings.server.port) == ("127.0.0.2", 2)
    assert settings.models.paths == (tmp_path / "y.gguf",)


def test_what_cannot_work_is_refused_before_anything_starts(
    served: list[Settings], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["serve", "--llama-server", "./nope"]) == Exit.ENGINE
    assert capsys.readouterr().err == f"remuda: llama-server: {tmp_path}/nope does not exist\n"
    assert main(["serve", "--tls-cert", "c", "--tls-key", "k"]) == Exit.CONFIGURATION
    assert capsys.readouterr().err == f"remuda: {tmp_path}/c cannot be read: No such file or directory\n"
    assert served == []
