"""Keys, from the command line to a gateway that runs meanwhile."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

from remuda.app.exits import Exit
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.process import RemudaProcess, environment, fake_upstream, remuda_serve, run_remuda, until

BODY = {"model": "fake", "messages": [{"role": "user", "content": "Hello"}]}
FOREIGN = "0.0.0.0"


pytestmark = pytest.mark.xdist_group("keys")


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    with fake_upstream(models=("fake",)) as fake:
        yield fake


@pytest.fixture
def gateway(upstream: FakeUpstream, tmp_path: Path) -> Iterator[RemudaProcess]:
    """A gateway without keys in front of the fake upstream."""
    with remuda_serve(tmp_path / "data", "--upstream", upstream.url) as running:
        yield running


@dataclass
class Closed:
    """A gateway that has keys, and these."""

    gateway: RemudaProcess
    full: str
    reading: str
    inferring: str


@pytest.fixture(scope="module")
def closed(upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    """Shared by the tests that change no key. Its log says all it can."""
    data = tmp_path_factory.mktemp("closed")
    keys = make_key(data), make_key(data, "--scope", "read"), make_key(data, "--scope", "inference")
    with remuda_serve(data, "--upstream", upstream.url, "--log-level", "debug") as running:
        becomes(running, 200, keys[0])
        yield Closed(running, *keys)


def status(gateway: RemudaProcess, key: str | None = None, **headers: str) -> int:
    """Of an inference request with this key, or with these headers."""
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    url = f"{gateway.url}/v1/chat/completions"
    return httpx.post(url, json=BODY, headers=headers, trust_env=False, timeout=60).status_code


def becomes(gateway: RemudaProcess, wanted: int, key: str | None = None) -> None:
    until(lambda: status(gateway, key) == wanted, f"the answer is {wanted}")


def make_key(data: Path, *options: str) -> str:
    """The secret of a new key: all that is printed on stdout."""
    done = run_remuda("keys", "create", "--data", data, *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return done.stdout.strip()


def test_keys_open_and_close_a_running_gateway(gateway: RemudaProcess) -> None:
    becomes(gateway, 200)  # while no key exists programs on this machine need none
    first = make_key(gateway.data, "--name", "first")
    assert first.startswith("rmd_")
    becomes(gateway, 401)
    assert status(gateway, first) == 200
    moment = datetime.now(UTC) + timedelta(seconds=8)
    second = make_key(gateway.data, "--name", "second", "--expires", moment.isoformat())
    assert run_remuda("keys", "revoke", "first", "--data", gateway.data).returncode == 0
    becomes(gateway, 401, first)
    becomes(gateway, 401, second)  # sooner or later
    answer = httpx.get(f"{gateway.url}/v1/models", headers={"X-API-Key": second}, trust_env=False)
    assert answer.json()["error"]["code"] == "expired_api_key"
    assert status(gateway) == 401, "an expired key keeps the door closed"
    listed = json.loads(run_remuda("keys", "list", "--all", "--json", "--data", gateway.data).stdout)
    assert [entry["state"] for entry in listed] == ["revoked", "expired"]


def test_every_place_a_key_may_stand_in(closed: Closed) -> None:
    gateway, key = closed.gateway, closed.full
    for headers in ({"Authorization": f"Bearer {key}"}, {"authorization": f"bearer {key}"}, {"X-API-Key": key}):
        assert status(gateway, **headers) == 200, headers
    for headers in (
        {"Authorization": f"Basic {key}"},
        {"Authorization": key},
        {"X-API-Key": key[:-1]},
        {"X-API-Key": key + "x"},
        {"X-API-Key": ""},
        {"Cookie": f"api_key={key}"},
    ):
        assert status(gateway, **headers) == 401, headers
    url = f"{gateway.url}/v1/chat/completions?api_key={key}"
    assert httpx.post(url, json=BODY, trust_env=False).status_code == 401, "not in an address, which is logged"
    for path in ("/", "/livez", "/readyz", "/metrics", "/version", "/health"):
        assert httpx.get(gateway.url + path, trust_env=False).status_code == 200, path


def test_openais_client_with_and_without_a_key(closed: Closed) -> None:
    gateway = closed.gateway
    for given, wanted in ((closed.full, None), ("rmd_wrong", openai.AuthenticationError)):
        http = httpx.Client(trust_env=False)
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=given, max_retries=0, http_client=http) as client:
            if wanted is None:
                assert client.chat.completions.create(model="fake", messages=[]).choices
                continue
            for stream in (False, True):
                with pytest.raises(wanted) as caught:
                    client.chat.completions.create(model="fake", messages=[], stream=stream)
                assert isinstance(caught.value.body, dict)
                assert caught.value.body["request_id"] == caught.value.request_id
                assert caught.value.code == "invalid_api_key"


def test_anthropics_client_with_and_without_a_key(closed: Closed) -> None:
    ask: Any = {"model": "fake", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    places: Any = ({"api_key": closed.inferring}, {"api_key": None, "auth_token": closed.inferring})
    for place in places:
        with anthropic_client(closed.gateway.url, **place) as client:
            assert client.messages.create(**ask).content
            assert client.models.list().data
    with anthropic_client(closed.gateway.url, api_key="rmd_wrong") as client:
        calls: Any = (lambda: client.messages.create(**ask), client.models.list, client.messages.batches.list)
        for call in calls:
            with pytest.raises(anthropic.AuthenticationError) as caught:
                call()
            assert (caught.value.type, caught.value.request_id is not None) == ("authentication_error", True)
    with anthropic_client(closed.gateway.url, api_key=closed.reading) as client:
        with pytest.raises(anthropic.PermissionDeniedError):
            client.messages.create(**ask)
        with pytest.raises(anthropic.PermissionDeniedError):
            client.messages.count_tokens(model="fake", messages=ask["messages"])


def anthropic_client(url: str, **credential: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, max_retries=0, http_client=httpx2.Client(trust_env=False), **credential)


def test_a_key_may_do_what_its_scopes_say(closed: Closed) -> None:
    assert status(closed.gateway, closed.reading) == 403
    assert status(closed.gateway, closed.inferring) == 200
    for key in (closed.reading, closed.inferring):
        answer = httpx.get(f"{closed.gateway.url}/v1/models", headers={"X-API-Key": key}, trust_env=False)
        assert answer.status_code == 200


def test_any_use_of_a_key_moves_its_last_use(upstream: FakeUpstream, tmp_path: Path) -> None:
    data = tmp_path / "data"
    scopes = {"listing": "read", "asking": "inference", "refused": "manage"}
    keys = {name: make_key(data, "--name", name, "--scope", scope) for name, scope in scopes.items()}
    make_key(data, "--name", "unused")

    def last_uses() -> dict[str, str | None]:
        listed = json.loads(run_remuda("keys", "list", "--json", "--data", data).stdout)
        return {entry["name"]: entry["last_used_at"] for entry in listed}

    with remuda_serve(data, "--upstream", upstream.url) as gateway:
        assert set(last_uses().values()) == {None}
        for name, wanted in (("listing", 200), ("refused", 403)):
            answer = httpx.get(f"{gateway.url}/v1/models", headers={"X-API-Key": keys[name]}, trust_env=False)
            assert answer.status_code == wanted
        assert status(gateway, keys["asking"]) == 200
    uses = last_uses()
    assert uses.pop("unused") is None
    assert all(uses.values()), uses


def test_keys_of_the_environment(upstream: FakeUpstream, tmp_path: Path) -> None:
    secrets = ["a-key-of-my-own-0123", "another-one-of-mine-4"]
    with remuda_serve(tmp_path, "--upstream", upstream.url, API_KEYS=",".join(secrets)) as gateway:
        becomes(gateway, 200, secrets[0])
        assert status(gateway, secrets[1]) == 200
        assert status(gateway) == 401
        assert status(gateway, "a-key-of-my-own-012") == 401
    assert not any(secret in gateway.output for secret in secrets)
    assert not any(secret.encode() in path.read_bytes() for path in files_in(tmp_path) for secret in secrets)


def test_a_foreign_bind_needs_a_key_first(tmp_path: Path, upstream: FakeUpstream) -> None:
    with remuda_serve(tmp_path, "--host", FOREIGN, "--upstream", upstream.url) as refused:
        assert refused.ended() == Exit.CONFIGURATION
    (line,) = [line for line in refused.output.splitlines() if line.startswith("remuda:")]
    assert "remuda keys create" in line
    key = make_key(tmp_path)
    with remuda_serve(tmp_path, "--host", FOREIGN, "--upstream", upstream.url) as gateway:
        becomes(gateway, 200, key)
        assert status(gateway) == 401
        assert "YOUR_KEY" in gateway.output


def test_secrets_stay_out_of_log_and_store(closed: Closed) -> None:
    gateway, key = closed.gateway, closed.full
    wrong = "rmd_" + "z" * 26
    headers = {"X-API-Key": key, "X-Request-ID": f"about-{key}"}
    assert status(gateway, wrong) == 401
    assert status(gateway, key, **headers) == 200
    assert httpx.get(f"{gateway.url}/v1/models?api_key={key}", headers=headers, trust_env=False).status_code == 200
    assert httpx.get(f"{gateway.url}/{key}", headers=headers, trust_env=False).status_code == 404
    for secret in (key, wrong):
        assert secret not in gateway.output
        assert not [path for path in files_in(gateway.data) if secret.encode() in path.read_bytes()]


def files_in(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "remuda.db" for path in found)
    return found


def test_commands_that_cannot_be_done(tmp_path: Path) -> None:
    assert run_remuda("keys", "revoke", "nobody", "--data", tmp_path).returncode == Exit.CHECK_FAILED
    assert run_remuda("keys", "create", "--expires", "soon", "--data", tmp_path).returncode == Exit.USAGE
    occupied = tmp_path / "file"
    occupied.touch()
    done = run_remuda("keys", "list", "--data", occupied, env=environment())
    assert done.returncode == Exit.STORE
    assert done.stderr.count("\n") == 1
