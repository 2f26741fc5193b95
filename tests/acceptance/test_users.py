"""Users, from the command line to a gateway that runs meanwhile."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from remuda.app.exits import Exit
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.process import RemudaProcess, fake_upstream, remuda_serve, run_remuda, until

BODY = {"model": "fake", "messages": [{"role": "user", "content": "Hello"}]}
FOREIGN = "0.0.0.0"

pytestmark = pytest.mark.xdist_group("users")


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    with fake_upstream(models=("fake",)) as fake:
        yield fake


def users(data: Path, *arguments: str) -> str:
    """What the command prints on stdout."""
    done = run_remuda("users", *arguments, "--data", data)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def post(gateway: RemudaProcess, path: str, body: Any, **headers: str) -> httpx.Response:
    return httpx.post(f"{gateway.url}{path}", json=body, headers=headers, trust_env=False, timeout=60)


def logged_in(gateway: RemudaProcess, name: str, password: str) -> dict[str, str]:
    answer = post(gateway, "/api/account/login", {"username": name, "password": password})
    assert answer.status_code == 200, answer.text
    pair: dict[str, str] = answer.json()
    return pair


def status(gateway: RemudaProcess, token: str | None) -> int:
    """Of an inference request."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return post(gateway, "/v1/chat/completions", BODY, **headers).status_code


def check_session(gateway: RemudaProcess, password: str) -> None:
    """A browser that keeps its tokens in cookies asks models for pages of the gateway, and for no others."""
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=60) as browser:
        said = {"username": "root", "password": password, "cookie": True}
        assert browser.post("/api/account/login", json=said).json() == {"expires_in": 300}
        for headers, wanted in (
            ({"origin": gateway.url}, 200),
            ({"sec-fetch-site": "same-origin"}, 200),
            ({"origin": "http://127.0.0.1:3000"}, 403),
            ({"sec-fetch-site": "same-site"}, 403),
            ({}, 403),
        ):
            assert browser.post("/v1/chat/completions", json=BODY, headers=headers).status_code == wanted, headers
        assert browser.get("/v1/models").status_code == 200
        kept = browser.cookies["remuda-session"]
        assert browser.post("/api/account/logout").status_code == 204
        assert status(gateway, kept) == 401
        assert browser.get("/v1/models").status_code == 401


def test_users_come_and_go_while_the_gateway_runs(upstream: FakeUpstream, tmp_path: Path) -> None:
    with remuda_serve(tmp_path, "--upstream", upstream.url) as gateway:
        until(lambda: status(gateway, None) == 200, "the door is open while nobody exists")
        first = users(tmp_path, "add", "root")
        until(lambda: status(gateway, None) == 401, "a user closes the door")
        pair = logged_in(gateway, "root", first)
        assert status(gateway, pair["access"]) == 200
        assert status(gateway, pair["refresh"]) == 401
        assert (
            status(gateway, post(gateway, "/api/account/refresh", {"refresh": pair["refresh"]}).json()["access"]) == 200
        )

        second = users(tmp_path, "password", "root")
        until(lambda: status(gateway, pair["access"]) == 401, "another password ends the tokens")
        ended = post(gateway, "/api/account/refresh", {"refresh": pair["refresh"]})
        assert (ended.status_code, ended.json()["code"]) == (401, "token_not_valid")
        assert post(gateway, "/api/account/login", {"account": "root", "passwd": first}).status_code == 401
        access = logged_in(gateway, "root", second)["access"]
        assert status(gateway, access) == 200
        check_session(gateway, second)

        users(tmp_path, "remove", "root")
        until(lambda: status(gateway, access) == 401, "nobody is left")
        assert status(gateway, None) == 401, "and the door stays closed"
        for secret in (first, second, access, pair["refresh"]):
            assert secret not in gateway.output
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert not any(secret.encode() in path.read_bytes() for secret in (first, second, access))


def test_a_token_does_wherever_a_key_does_and_the_journal_says_whose(upstream: FakeUpstream, tmp_path: Path) -> None:
    password = users(tmp_path, "add", "root")
    ann = users(tmp_path, "add", "ann", "--scope", "read")
    with remuda_serve(tmp_path, "--upstream", upstream.url) as gateway:
        access = logged_in(gateway, "root", password)["access"]
        until(lambda: status(gateway, access) == 200, "the upstream is known")
        http = httpx.Client(trust_env=False)
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=access, max_retries=0, http_client=http) as client:
            chunks = list(client.chat.completions.create(model="fake", messages=[], stream=True))
            assert chunks[-1].choices[0].finish_reason == "stop"
        chat = post(gateway, "/api/chat", BODY | {"stream": False}, **{"X-API-Key": access})
        assert chat.status_code == 200
        assert status(gateway, logged_in(gateway, "ann", ann)["access"]) == 403
        by_name = {user["name"]: user for user in json.loads(users(tmp_path, "list", "--json"))}
        assert all(user["last_login_at"] for user in by_name.values())
    assert callers_in(tmp_path) == {"user:root", "user:ann"}


def callers_in(data: Path) -> set[str]:
    """Whose requests the journal holds."""
    import sqlite3

    with sqlite3.connect(data / "remuda.db") as database:
        found = {row[0] for row in database.execute("SELECT key_id FROM journal")}
    database.close()
    return found - {""}


def test_gateways_on_one_store_take_each_others_tokens(upstream: FakeUpstream, tmp_path: Path) -> None:
    password = users(tmp_path, "add", "root")
    with ExitStack() as stack:
        one, other = (stack.enter_context(remuda_serve(tmp_path, "--upstream", upstream.url)) for _ in range(2))
        access = logged_in(one, "root", password)["access"]
        until(lambda: status(other, access) == 200, "the other gateway takes it")
        assert post(one, "/api/account/logout", None, Authorization=f"Bearer {access}").status_code == 204
        assert status(one, access) == 401
        until(lambda: status(other, access) == 401, "nor does the other take it once its session was ended")
    with remuda_serve(tmp_path, "--upstream", upstream.url) as later:
        assert status(later, access) == 401


def test_guessing_is_told_to_wait(upstream: FakeUpstream, tmp_path: Path) -> None:
    password = users(tmp_path, "add", "root")
    with remuda_serve(tmp_path, "--upstream", upstream.url) as gateway:
        wrong = {"username": "root", "password": "wrong"}
        answers = [post(gateway, "/api/account/login", wrong) for _ in range(11)]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429]
        assert set(answers[-1].json()) == {"detail"}
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        right = {"username": "root", "password": password}
        assert post(gateway, "/api/account/login", right).status_code == 429, "nor can the right one be found so"


def test_a_user_opens_a_foreign_bind(upstream: FakeUpstream, tmp_path: Path) -> None:
    with remuda_serve(tmp_path, "--host", FOREIGN, "--upstream", upstream.url) as refused:
        assert refused.ended() == Exit.CONFIGURATION
    password = users(tmp_path, "add", "root")
    with remuda_serve(tmp_path, "--host", FOREIGN, "--upstream", upstream.url) as gateway:
        access = logged_in(gateway, "root", password)["access"]
        until(lambda: status(gateway, access) == 200, "a user gets in")
        assert status(gateway, None) == 401
