"""`remuda serve` as its user meets it: a process that starts, answers, and ends."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from remuda.app.cli import main
from remuda.app.exits import Exit
from remuda.engines.tiny import CHAT, EMBED
from remuda.store.schema import VERSION_TABLE
from tests.fixtures.parts import missing
from tests.fixtures.process import RemudaProcess, fake_upstream, is_alive, remuda_serve, run_remuda, until

HELLO = [{"role": "user", "content": "Hello"}]


def chat(gateway: RemudaProcess, model: str, **fields: Any) -> httpx.Response:
    body = {"model": model, "messages": HELLO, "max_tokens": 8, **fields}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, trust_env=False, timeout=60)


def ready(gateway: RemudaProcess) -> httpx.Response:
    return httpx.get(f"{gateway.url}/readyz", trust_env=False, timeout=60)


Refused = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Refused:
    """Starts a gateway that cannot be started: its exit code and the lines it says. In this process: that is faster."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("REMUDA_")]:
        monkeypatch.delenv(name)

    def start(data: Path, *arguments: str | Path) -> tuple[int, list[str]]:
        code = main(["serve", "--port", "0", "--data", str(data), *map(str, arguments)])
        return code, capsys.readouterr().err.splitlines()

    return start


@pytest.mark.engine
def test_the_curl_it_prints_works_and_sigterm_ends_all_in_order(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        missing("curl")
    with remuda_serve(tmp_path) as gateway:
        greeting = gateway.wait_for("Ctrl-C ends it")
        found = re.search(r"^ +(curl .*?'\n)", greeting, re.DOTALL | re.MULTILINE)
        assert found is not None, greeting
        done = subprocess.run(
            [*shlex.split(found[1].replace("\\\n", " ")), "--silent", "--noproxy", "*"], capture_output=True, check=True
        )
        assert json.loads(done.stdout)["choices"][0]["message"]["content"]
        engines = gateway.children()
        assert engines
        with httpx.stream(
            "POST",
            f"{gateway.url}/v1/chat/completions",
            json={"model": "remuda-tiny", "messages": HELLO, "stream": True, "max_tokens": 1900, "ignore_eos": True},
            trust_env=False,
            timeout=60,
        ) as answer:
            lines = answer.iter_lines()
            assert next(lines).startswith("data: ")
            gateway.signal()
            rest = [line for line in lines if line]
        # Within the grace it is answered to its end, later it ends with a word: never as if it were whole.
        assert rest[-1] == "data: [DONE]" or "error" in json.loads(rest[-1].removeprefix("data: "))
        assert gateway.ended() == 0
        assert not any(is_alive(pid) for pid in engines)
        assert gateway.sockets() == []
    assert len(journalled(tmp_path)) == 2
    assert "Traceback" not in gateway.output


def test_ctrl_c_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    with fake_upstream() as upstream, remuda_serve(tmp_path, "--upstream", upstream.url) as gateway:
        assert gateway.url
        gateway.signal(signal.SIGINT)
        assert gateway.ended() == Exit.INTERRUPTED
    assert "Traceback" not in gateway.output


def journalled(data: Path) -> list[tuple[str, int]]:
    """Dialect and status of what the store of a gateway that has ended holds."""
    store = sqlite3.connect(data / "remuda.db")
    try:
        return store.execute("select dialect, status from journal order by id").fetchall()
    finally:
        store.close()


@pytest.mark.engine
def test_models_of_a_folder_come_and_go_as_they_are_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("a", "b"):
        shutil.copy(CHAT, folder / f"{name}.gguf")
    (folder / "broken.gguf").write_bytes(CHAT.read_bytes()[:100])
    data = tmp_path / "d"
    with remuda_serve(data, "--model", folder, REMUDA_MODELS__MAX_LOADED="1") as gateway:
        listed = httpx.get(f"{gateway.url}/v1/models", trust_env=False).json()["data"]
        assert {model["id"]: model["remuda"]["state"] for model in listed} == {"a": "standby", "b": "standby"}
        assert gateway.children() == [], "none is loaded at the start"
        assert "broken.gguf" in gateway.output
        for name in ("a", "b", "a"):
            answer = chat(gateway, name)
            assert answer.status_code == 200, answer.text
            assert answer.headers["x-remuda-replica"] == f"local/{name}"
            assert len(gateway.children()) == 1, "the other one is unloaded"
        assert chat(gateway, "broken").status_code == 404


@pytest.mark.engine
def test_a_kill_leaves_no_engine_behind_and_loses_no_old_record(tmp_path: Path) -> None:
    with remuda_serve(tmp_path) as gateway:
        assert gateway.url
        for _ in range(3):
            assert chat(gateway, "remuda-tiny").status_code == 200
        engines = gateway.children()
        assert engines
        until(lambda: len(journalled(tmp_path)) == 3, "the journal is written while the gateway runs")
        assert chat(gateway, "nope").status_code == 404
        gateway.signal(signal.SIGKILL)
        assert gateway.ended() == -signal.SIGKILL
        until(lambda: not any(is_alive(pid) for pid in engines), "the engines have ended")
    with fake_upstream() as upstream, remuda_serve(tmp_path, "--upstream", upstream.url) as again:
        assert chat(again, "fake").status_code == 200
        assert again.stop() == 0
    found = journalled(tmp_path)
    assert found[:3] == [("openai", 200)] * 3
    assert found[-1] == ("openai", 200)
    assert len(found) in (4, 5), "only what was younger than a second may be missing"


CASES: list[Any] = [
    pytest.param(lambda path: path.write_bytes(CHAT.read_bytes()[:100]), "", id="cut short"),
    pytest.param(lambda path: path.write_bytes(CHAT.read_bytes()[:-200_000]), "cut off", id="cut short in its weights"),
    pytest.param(lambda path: path.write_bytes(b"\0" * 4096), "not a GGUF", id="no model"),
    pytest.param(lambda path: path.touch(), "", id="empty"),
    pytest.param(lambda path: None, "no such file", id="missing"),
    pytest.param(lambda path: path.mkdir(), "no GGUF model in this folder", id="empty folder"),
    pytest.param(lambda path: path.symlink_to(path), "", id="a loop of links"),
]


@pytest.mark.parametrize(("make", "said"), CASES)
def test_a_file_that_is_no_model_is_one_line(tmp_path: Path, refused: Refused, make: Any, said: str) -> None:
    path = tmp_path / "model.gguf"
    make(path)
    code, (line,) = refused(tmp_path / "d", "--model", path)
    assert code == Exit.ENGINE
    assert line.startswith("remuda: ")
    assert str(path) in line
    assert said in line


def test_a_model_that_is_cut_off_later_fails_its_requests_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(CHAT.read_bytes())
    with remuda_serve(tmp_path / "d", "--model", path) as gateway:
        assert ready(gateway).status_code == 200
        path.write_bytes(CHAT.read_bytes()[:-200_000])
        answer = chat(gateway, "cut")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        message = answer.json()["error"]["message"]
        assert "cut.gguf: the file is cut off" in message
        assert str(tmp_path) not in message, "clients are not told where files are"
        assert httpx.get(f"{gateway.url}/livez", trust_env=False).status_code == 200


@pytest.mark.engine
def test_a_gateway_whose_only_model_no_engine_knows_is_not_ready(tmp_path: Path) -> None:
    path = tmp_path / "odd.gguf"
    path.write_bytes(CHAT.read_bytes().replace(b"llama", b"lxama"))
    with remuda_serve(tmp_path / "d", "--model", path) as gateway:

        def is_told() -> bool:  # only within the pause before the next try, which grows
            assert chat(gateway, "odd").status_code == 503
            said = ready(gateway)
            return said.status_code == 503 and "odd cannot be served" in said.text

        until(is_told, "readiness names the model")


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_remuda("serve", "--port", str(port), "--data", tmp_path)
    assert done.returncode == Exit.BIND
    (line,) = done.stderr.splitlines()
    assert str(port) in line
    assert "in use" in line


def test_data_that_cannot_be_kept_is_one_line(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "file").touch()
    code, (line,) = refused(tmp_path / "file", "--upstream", "http://127.0.0.1:9")
    assert (code, str(tmp_path / "file") in line) == (Exit.STORE, True)
    code, (line,) = refused(Path("/proc/nowhere"), "--upstream", "http://127.0.0.1:9")
    assert (code, "/proc/nowhere" in line) == (Exit.STORE, True)
    assert main(["keys", "list", "--data", str(tmp_path / "newer")]) == 0
    store = sqlite3.connect(tmp_path / "newer" / "remuda.db")
    store.execute(f"update {VERSION_TABLE} set version_num = '9999'")
    store.commit()
    store.close()
    code, (line,) = refused(tmp_path / "newer", "--upstream", "http://127.0.0.1:9")
    assert (code, "newer" in line) == (Exit.STORE, True)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "remuda.db").write_bytes(b"no database" * 1000)
    code, lines = refused(tmp_path / "damaged", "--upstream", "http://127.0.0.1:9")
    assert (code, len(lines)) == (Exit.STORE, 1)


def test_every_listener_answers_over_tls_too(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        missing("openssl")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as probe:
        second = probe.getsockname()[1]
    trusted = ssl.create_default_context(cafile=str(cert))
    listeners = json.dumps([f"127.0.0.1:{second}"])
    tls = ("--tls-cert", cert, "--tls-key", key)
    with (
        fake_upstream() as upstream,
        remuda_serve(tmp_path / "d", "--upstream", upstream.url, *tls, REMUDA_SERVER__LISTENERS=listeners) as gateway,
        httpx.Client(verify=trusted, trust_env=False) as client,
    ):
        assert gateway.url.startswith("https://127.0.0.1:")
        for base in (gateway.url, f"https://127.0.0.1:{second}"):
            until(lambda base=base: client.get(f"{base}/readyz").status_code == 200, "it is ready")
            body = {"model": "fake", "messages": HELLO}
            assert client.post(f"{base}/v1/chat/completions", json=body).status_code == 200
            with client.stream("POST", f"{base}/v1/chat/completions", json={**body, "stream": True}) as answer:
                assert answer.read().endswith(b"data: [DONE]\n\n")
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{gateway.url}/livez", trust_env=False)


@pytest.mark.engine
def test_a_llama_server_of_the_users_own(tmp_path: Path, refused: Refused) -> None:
    """A stand-in program: what it is started with, and that requests come to it."""
    program = tmp_path / "llama-server"
    stand_in = Path(__file__).parents[1] / "unit" / "engines" / "llamacpp" / "stand_in.py"
    python = shutil.which("python3")
    program.write_text(f'#!/bin/sh\nexec {python} {stand_in} --stand-in silent "$@"\n')
    program.chmod(0o755)
    arguments = ("--model", CHAT, "--model", EMBED, "--llama-server", program)
    with remuda_serve(tmp_path / "d", *arguments) as gateway:
        answer = chat(gateway, "remuda-tiny")
        assert answer.status_code == 200
        assert answer.json() == {"status": "ok"}
        assert len(gateway.children()) == 1
    code, (line,) = refused(tmp_path / "e", "--model", CHAT, "--llama-server", tmp_path / "nope")
    assert code == Exit.ENGINE
    assert "does not exist" in line
