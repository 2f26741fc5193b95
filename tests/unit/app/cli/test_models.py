"""`remuda models`."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from remuda.app.cli import main
from remuda.app.exits import Exit
from remuda.engines import tiny
from tests.fixtures.converted import write_hollow
from tests.fixtures.http_servers import http, serving


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def rows(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:]]


def test_what_the_settings_offer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["models"]) == 0
    assert [name for name, _ in rows(capsys)] == ["remuda-tiny", "remuda-tiny-embed"]
    shutil.copy(tiny.CHAT, tmp_path / "a.gguf")
    (tmp_path / "remuda.yaml").write_text(
        "models: {paths: [a.gguf], aliases: {fast: a}}\n"
        "upstreams: [{url: 'http://h', models: [b]}, {url: 'http://i', name: i}]\n"
    )
    assert main(["models"]) == 0
    assert rows(capsys) == [
        ["a", f"{tmp_path}/a.gguf"],
        ["b", "h:80"],
        ["(those", "it lists)  i"],
        ["fast", "alias of a"],
    ]


def test_models_in_transformers_format_are_told_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = write_hollow(tmp_path / "mine")
    (tmp_path / "remuda.yaml").write_text("transformers: {models: [gpt2, ./mine]}\n")
    assert main(["models"]) == 0
    assert rows(capsys) == [["gpt2", "the Hugging Face hub"], ["mine", str(folder)]]


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "remuda.yaml").write_text("models: {paths: [a.gguf]}\n")
    assert main(["models"]) == Exit.ENGINE
    assert capsys.readouterr().err == f"remuda: {tmp_path}/a.gguf: no such file or directory\n"


async def asked(answer: bytes, *options: str) -> tuple[int, str]:
    """The exit code of asking a gateway that answers so, and what that was sent."""
    async with serving(answer) as served:
        code = await asyncio.to_thread(main, ["models", "--url", served.url, *options])
        return code, served.heads[0]


async def test_what_a_running_gateway_offers(capsys: pytest.CaptureFixture[str]) -> None:
    code, head = await asked(http(b'{"data": [{"id": "a"}]}'), "--key", "secret", "--json")
    assert code == 0
    assert "Bearer secret" in head
    ((entry),) = json.loads(capsys.readouterr().out)
    assert entry["model"] == "a"


async def test_a_gateway_that_does_not_answer_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REMUDA_API_KEY", "from-env")
    code, head = await asked(http(b"{}", "401 Unauthorized"))
    assert code == Exit.CHECK_FAILED
    assert "Bearer from-env" in head
    assert "needs a key" in capsys.readouterr().err
    assert (await asked(http(b"{}")))[0] == Exit.CHECK_FAILED
    assert "not with a list of models (status 200)" in capsys.readouterr().err
    assert (await asked(b""))[0] == Exit.CHECK_FAILED
    assert "closes the connection" in capsys.readouterr().err


def test_an_address_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--url", "h"]) == Exit.USAGE
    assert "starts with http://" in capsys.readouterr().err
