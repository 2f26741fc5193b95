"""`openai`'s client: the errors that the built-in engine does not produce, from a fake upstream in its place."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.compat.conftest import client_of
from tests.compat.test_openai_errors import told
from tests.fixtures.process import RemudaProcess, fake_upstream, remuda_serve, run_remuda, until

pytestmark = pytest.mark.xdist_group("compat-upstream")

HELLO: Any = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    with fake_upstream() as fake:
        yield fake


@pytest.fixture(scope="module")
def gateway(upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemudaProcess]:
    """Without keys; a request waits a moment for a slot, and the upstream gets a moment to begin its answer."""
    folder = tmp_path_factory.mktemp("compat")
    config = folder / "remuda.yaml"
    upstreams = f"[{{url: '{upstream.url}', models: [fake], slots: 1, ttft_timeout_s: 0.5}}]"
    health = "{breaker_failures: 0}"  # each failure is a case of its own
    config.write_text(f"upstreams: {upstreams}\nrouting: {{queue_timeout_s: 0.3}}\nhealth: {health}\n")
    with remuda_serve(folder / "data", "--config", config) as running:
        yield running


@pytest.fixture
def client(gateway: RemudaProcess, upstream: FakeUpstream) -> Iterator[openai.OpenAI]:
    upstream.behave()
    with client_of(f"{gateway.url}/v1") as made:
        yield made
    upstream.behave()
    until(lambda: gateway.metric("remuda_slots_in_use") == 0, "all slots are free")


def same_id(error: openai.APIStatusError) -> bool:
    """Whether body, headers and exception name the same request."""
    return bool(told(error)["request_id"] == error.request_id == error.response.headers["x-request-id"])


@pytest.mark.parametrize("is_streamed", [False, True])
def test_too_many_requests_for_an_upstream_are_a_rate_limit(
    client: openai.OpenAI, upstream: FakeUpstream, is_streamed: bool
) -> None:
    upstream.behave(fault=Fault.ERROR, status=429, retry_after_s=7)
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="fake", messages=HELLO, stream=is_streamed)
    assert caught.value.status_code == 429
    assert caught.value.response.headers["retry-after"] == "7"
    assert same_id(caught.value)


def test_the_client_tries_again_after_a_rate_limit(client: openai.OpenAI, upstream: FakeUpstream) -> None:
    upstream.behave(fault=Fault.ERROR, status=429, retry_after_s=1, times=1)
    answer = client.with_options(max_retries=1).chat.completions.create(model="fake", messages=HELLO)
    assert answer.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("is_streamed", [False, True])
def test_an_upstream_that_does_not_begin_is_a_gateway_timeout(
    client: openai.OpenAI, upstream: FakeUpstream, is_streamed: bool
) -> None:
    upstream.behave(fault=Fault.HANG)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="fake", messages=HELLO, stream=is_streamed)
    assert (caught.value.status_code, caught.value.code, caught.value.type) == (
        504,
        "upstream_timeout",
        "timeout_error",
    )
    assert same_id(caught.value)


def test_a_client_without_patience_times_out_and_leaves_nothing_behind(
    client: openai.OpenAI, upstream: FakeUpstream, gateway: RemudaProcess
) -> None:
    upstream.behave(fault=Fault.HANG)
    seen = len(upstream.seen)
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.2).chat.completions.create(model="fake", messages=HELLO)
    until(lambda: gateway.metric("remuda_slots_in_use") == 0, "the slot is free again")
    assert len(upstream.seen) == seen + 1


def test_who_waits_for_a_slot_in_vain_is_told_when_to_come_again(
    client: openai.OpenAI, upstream: FakeUpstream, gateway: RemudaProcess
) -> None:
    upstream.behave(early_head=True, fault=Fault.STALL, after_chunks=1)
    with client.chat.completions.create(model="fake", messages=HELLO, stream=True) as stream:
        next(iter(stream))
        with pytest.raises(openai.InternalServerError) as late:
            client.chat.completions.create(model="fake", messages=HELLO)
        assert (late.value.status_code, late.value.code) == (504, "queue_timeout")
        assert int(late.value.response.headers["retry-after"]) >= 1
        assert same_id(late.value)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_other_refusals_are_the_clients_own_classes(
    client: openai.OpenAI, upstream: FakeUpstream, status: int, kind: type[openai.APIStatusError]
) -> None:
    upstream.behave(fault=Fault.ERROR, status=status)
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model="fake", messages=HELLO)
    assert same_id(caught.value)


def test_an_upstream_that_breaks_off_is_an_error_in_the_stream(client: openai.OpenAI, upstream: FakeUpstream) -> None:
    upstream.behave(fault=Fault.DROP_MID_STREAM, after_chunks=2)
    with client.chat.completions.create(model="fake", messages=HELLO, stream=True) as stream:
        got: list[Any] = []
        with pytest.raises(openai.APIError) as caught:
            got.extend(stream)
    assert caught.value.code == "stream_cut"


def test_a_key_that_may_not_ask_is_a_denied_permission(upstream: FakeUpstream, tmp_path: Path) -> None:
    data = tmp_path / "data"
    keys = {}
    for scope in ("read", "manage"):
        done = run_remuda("keys", "create", "--scope", scope, "--data", data)
        keys[scope] = done.stdout.strip()
    with remuda_serve(data, "--upstream", upstream.url) as running:
        with client_of(f"{running.url}/v1", keys["read"]) as client:
            for is_streamed in (False, True):
                with pytest.raises(openai.PermissionDeniedError) as caught:
                    client.chat.completions.create(model="fake", messages=HELLO, stream=is_streamed)
                assert (caught.value.code, caught.value.type) == ("permission_denied", "permission_error")
                assert same_id(caught.value)
            assert client.models.list().data is not None
        with client_of(f"{running.url}/v1", keys["manage"]) as client, pytest.raises(openai.PermissionDeniedError):
            client.models.list()
