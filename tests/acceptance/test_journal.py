"""What the journal holds of a request: one record each, whatever became of it."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from remuda.core.keys import Key, Scope, digest_of
from remuda.core.record import RequestRecord
from remuda.store.journal_reading import JournalFilter, journal_entry, journal_page
from remuda.store.keys import create_key
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway

CHAT = "/v1/chat/completions"
BODY: dict[str, Any] = {"model": "fake", "messages": [{"role": "user", "content": "Where do llamas live?"}]}
SECRET = "rmd_a-key-of-the-tests"


@contextlib.asynccontextmanager
async def caller(gateway: RunningGateway, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, trust_env=False, timeout=60) as client:
        yield client


async def one(gateway: RunningGateway) -> RequestRecord:
    """The only record there is."""
    await gateway.at_rest()
    (record,) = await gateway.records()
    return record


async def test_a_whole_answer(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    async with caller(gateway) as client:
        answer = await client.post(CHAT, json=BODY, headers={"X-Request-ID": "mine"})
    usage = answer.json()["usage"]
    record = await one(gateway)
    assert record._replace(started_at=0, queue_wait_s=0, ttft_s=0, duration_s=0, bytes_out=0) == RequestRecord(
        id="mine",
        started_at=0,
        dialect="openai",
        operation="chat",
        model="fake",
        replica="one/fake",
        key_id="",
        status=200,
        fault="",
        is_streamed=False,
        attempts=1,
        queue_wait_s=0,
        ttft_s=0,
        duration_s=0,
        prompt_tokens=usage["prompt_tokens"],
        completion_tokens=usage["completion_tokens"],
        cached_tokens=0,
        tokens_estimated=False,
        bytes_in=len(answer.request.content),
        bytes_out=0,
        finish_reason="stop",
    )
    assert record.bytes_out > len(answer.content)
    assert record.ttft_s is not None
    assert 0 <= record.queue_wait_s <= record.ttft_s <= record.duration_s


async def test_a_stream(gateway: RunningGateway) -> None:
    async with caller(gateway) as client:
        answer = await client.post(CHAT, json={**BODY, "stream": True})
        whole = await client.post(CHAT, json=BODY)
    assert '"usage":{' not in answer.text
    await gateway.at_rest()
    second, first = await gateway.records()
    usage = whole.json()["usage"]
    assert (first.is_streamed, first.status, first.fault, first.finish_reason) == (True, 200, "", "stop")
    assert (first.prompt_tokens, first.completion_tokens) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert not first.tokens_estimated
    assert first.ttft_s is not None
    assert first.bytes_out > len(answer.content)
    assert not second.is_streamed
    assert first.id != second.id


async def test_refused_requests_are_recorded_too(upstream: FakeUpstream, tmp_path: Path) -> None:
    upstreams = [{"url": upstream.url, "name": "one"}]
    async with running_gateway(tmp_path, upstreams=upstreams, auth={"required": "always"}) as gateway:
        key = Key("key_1", "tests", digest_of(SECRET.encode()), "rmd_a", frozenset({Scope.INFERENCE}), 0.0)
        await create_key(gateway.remuda.store, key)
        await gateway.until(lambda: len(gateway.remuda.gatekeeper.ring) == 1, "the key is known")
        await gateway.until(lambda: gateway.remuda.fleet.look_up("fake") is not None, "the model is known")
        async with caller(gateway) as client:
            bearer = {"Authorization": f"Bearer {SECRET}"}
            for content, headers in (
                (b"{}", {}),
                (b"{}", {"Authorization": "Bearer rmd_wrong"}),
                (b"{", bearer),
                (b'{"model": "nope", "messages": []}', bearer),
                (b'{"model": "fake", "messages": []}', bearer),
            ):
                await client.post(CHAT, content=content, headers=headers)
        records = list(reversed(await gateway.records()))
    assert [(r.status, r.fault, r.key_id, r.model, r.replica, r.attempts) for r in records] == [
        (401, "missing_api_key", "", "", "", 0),
        (401, "invalid_api_key", "", "", "", 0),
        (400, "invalid_json", "key_1", "", "", 0),
        (404, "model_not_found", "key_1", "nope", "", 0),
        (200, "", "key_1", "fake", "one/fake", 1),
    ]
    assert all(record.ttft_s is None for record in records[:4])
    assert SECRET not in str(records)


async def test_a_client_that_leaves_in_mid_stream(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    upstream.gate.hold(after_chunks=3)
    async with caller(gateway) as client, client.stream("POST", CHAT, json={**BODY, "stream": True}) as answer:
        await upstream.gate.reached()
        assert b"data: " in await anext(answer.aiter_raw())
    await upstream.aborted_count(1)
    record = await one(gateway)
    assert (record.status, record.fault, record.is_streamed) == (499, "client_gone", True)
    assert (record.replica, record.attempts, record.finish_reason) == ("one/fake", 1, "")
    assert record.ttft_s is not None
    assert record.tokens_estimated, "nobody has told the usage"
    assert record.completion_tokens > 0


async def test_a_server_that_fails(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    upstream.behave(fault="error", status=500)
    async with caller(gateway) as client:
        assert (await client.post(CHAT, json=BODY)).status_code == 502
    record = await one(gateway)
    assert (record.status, record.replica, record.attempts) == (502, "one/fake", 1)
    assert record.fault


async def content(upstream: FakeUpstream, folder: Path, **journal: Any) -> list[tuple[str | None, str | None]]:
    """Prompts and answers kept of a whole answer and of a stream."""
    async with running_gateway(folder, upstreams=[{"url": upstream.url}], journal=journal) as gateway:
        await gateway.until(lambda: gateway.remuda.fleet.look_up("fake") is not None, "the model is known")
        async with caller(gateway) as client:
            for is_streamed in (False, True):
                await client.post(CHAT, json={**BODY, "stream": is_streamed})
        await gateway.at_rest()
        await gateway.records()  # has them written
        page = await journal_page(gateway.remuda.store, JournalFilter())
        found = [await journal_entry(gateway.remuda.store, entry.id) for entry in reversed(page.entries)]
    return [(entry.record.prompt_text, entry.record.answer_text) for entry in found if entry is not None]


async def test_no_text_is_kept_unasked(upstream: FakeUpstream, tmp_path: Path) -> None:
    assert await content(upstream, tmp_path) == [(None, None), (None, None)]
    assert not any(b"llamas" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


async def test_text_is_kept_cut_or_in_full(upstream: FakeUpstream, tmp_path: Path) -> None:
    whole, streamed = await content(upstream, tmp_path / "full", content="full")
    for prompt, answer in (whole, streamed):
        assert prompt is not None
        assert prompt == "user: Where do llamas live?"
        assert answer
        assert "{" not in answer
    cut = await content(upstream, tmp_path / "cut", content="cut", content_max_chars=10)
    assert cut == [((prompt or "")[-10:], (answer or "")[:10]) for prompt, answer in (whole, streamed)]
