"""Where a broken stream is continued, where it is not, and what becomes of slots, clients and counts meanwhile."""

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import httpx2
import ollama
import openai
import pytest
import pytest_asyncio

from remuda.fleet.replica import ReplicaState
from remuda.gateway.route import QueueLimits
from tests.fixtures.cutter import Cut
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.pair import MODEL, Pair, pair_of_engines
from tests.fixtures.raw import RawAnswer, RawClient, post

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine"), pytest.mark.asyncio(loop_scope="module")]

COUNT: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Count from 3 to 9."}],
    "temperature": 0,
    "stream": True,
}
COUNTED = "3, 4, 5, 6, 7, 8, 9"
STORY = {"messages": [{"role": "user", "content": "Tell me a story about a llama."}]}
LONG = {**COUNT, **STORY, "ignore_eos": True, "max_tokens": 250}
"""Not so long that the model has nothing to say any more: then tokens are equally likely, and rounding decides."""
MIDWAY = 2000
"""Bytes of a stream of COUNT after which some of the answer has come, and some has not."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with pair_of_engines(tmp_path_factory.mktemp("gateway"), routing={"retry_budget_percent": 1000}) as pair:
        yield pair


@pytest_asyncio.fixture(loop_scope="module")
async def pair(running: Pair) -> AsyncIterator[Pair]:
    """Both engines idle, and their replicas as new."""
    replicas = running.replicas()
    before = [(each.state, each.deadlines, each.upstream_model, each.slots.total) for each in replicas]
    yield running
    running.cutter.plan.clear()
    await running.gateway.at_rest()
    for replica, (state, deadlines, upstream_model, total) in zip(replicas, before, strict=True):
        replica.state, replica.deadlines, replica.upstream_model = state, deadlines, upstream_model
        replica.slots.total = total


def is_told(answer: RawAnswer) -> bool:
    """Whether a stream ended with the error that it broke off, and with nothing that says it is whole."""
    return answer.is_whole and answer.events[-1]["error"]["code"] == "stream_cut" and b"[DONE]" not in answer.body


def outcomes(gateway: RunningGateway) -> dict[str, int]:
    return dict(gateway.remuda._continuations.counts)


async def test_the_openai_client_notices_nothing(pair: Pair):
    http = httpx.AsyncClient(trust_env=False, timeout=60)
    async with openai.AsyncOpenAI(
        base_url=f"{pair.gateway.url}/v1", api_key="none", max_retries=0, http_client=http
    ) as client:
        usages = []
        for plan in ([], [Cut(MIDWAY)]):
            pair.cutter.plan = plan
            stream = await client.chat.completions.create(**COUNT, stream_options={"include_usage": True})
            chunks = [chunk async for chunk in stream]
            assert "".join(each.choices[0].delta.content or "" for each in chunks if each.choices) == COUNTED
            assert [each.choices[0].finish_reason for each in chunks if each.choices][-1] == "stop"
            assert len({each.id for each in chunks}) == 1
            usages.append(chunks[-1].usage)
        unbroken, broken = usages
        assert unbroken is not None
        assert broken is not None
        assert (broken.prompt_tokens, broken.completion_tokens) == (unbroken.prompt_tokens, unbroken.completion_tokens)


async def test_the_ollama_client_notices_nothing(pair: Pair):
    async with ollama.AsyncClient(pair.gateway.url, trust_env=False, timeout=60) as client:
        ends = []
        for plan in ([], [Cut(MIDWAY)]):
            pair.cutter.plan = plan
            answer = await client.chat(MODEL, COUNT["messages"], options={"temperature": 0}, stream=True)
            parts = [part async for part in answer]
            assert "".join(part.message.content or "" for part in parts) == COUNTED
            assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
            ends.append((parts[-1].done_reason, parts[-1].prompt_eval_count, parts[-1].eval_count))
        assert ends[0] == ends[1]
    [record] = (await pair.gateway.records())[:1]
    assert (record.dialect, record.attempts, record.fault, record.finish_reason) == ("ollama", 2, "", "stop")


async def test_the_anthropic_client_notices_nothing(pair: Pair):
    http = httpx2.AsyncClient(trust_env=False, timeout=60)
    async with anthropic.AsyncAnthropic(
        base_url=pair.gateway.url, api_key="none", max_retries=0, http_client=http
    ) as client:
        ends = []
        for plan in ([], [Cut(MIDWAY)]):
            pair.cutter.plan = plan
            async with client.messages.stream(
                model=MODEL, messages=COUNT["messages"], max_tokens=60, extra_body={"temperature": 0}
            ) as stream:
                message = await stream.get_final_message()
            assert [block.text for block in message.content if block.type == "text"] == [COUNTED]
            ends.append((message.stop_reason, message.usage.input_tokens, message.usage.output_tokens))
        assert pair.cutter.plan == []
        assert ends[0][0] == ends[1][0]
        assert ends[0][2] == ends[1][2]


async def test_the_stop_sequence_is_told_whoever_met_it(pair: Pair):
    ask = {**COUNT, "max_tokens": 60, "stop_sequences": [", 8"]}
    for plan in ([], [Cut(MIDWAY)]):
        pair.cutter.plan = plan
        answer = await pair.ask(ask, "/v1/messages")
        assert b'"stop_reason":"stop_sequence","stop_sequence":", 8"' in answer.body
    assert pair.cutter.plan == []


async def test_whole_answers_were_retried_all_along(pair: Pair):
    before = outcomes(pair.gateway)
    answer = await pair.cut({**COUNT, "stream": False}, MIDWAY)
    assert answer.json()["choices"][0]["message"]["content"] == COUNTED
    assert "/apply-template" not in pair.cutter.requests
    assert outcomes(pair.gateway) == before


async def test_it_may_break_more_than_once_but_not_for_ever(pair: Pair):
    before = outcomes(pair.gateway)
    answer = await pair.cut(COUNT, MIDWAY, 1000)
    assert is_told(answer)  # both have failed
    after = outcomes(pair.gateway)
    assert after["failed"] == before["failed"] + 1
    [record] = (await pair.gateway.records())[:1]
    assert (record.attempts, record.fault) == (2, "stream_cut")


async def test_silence_is_an_end_too(pair: Pair):
    for replica in pair.replicas():
        replica.deadlines = type(replica.deadlines)(silence_s=0.3)
    pair.cutter.plan = [Cut(MIDWAY, hangs=True)]
    answer = await pair.ask(COUNT)
    assert answer.text == COUNTED
    assert answer.events[-1] == "[DONE]"


async def test_silence_of_the_next_is_the_end(pair: Pair):
    for replica in pair.replicas():
        replica.deadlines = type(replica.deadlines)(silence_s=0.3)
    pair.cutter.plan = [Cut(MIDWAY, hangs=True), Cut(0, hangs=True)]
    answer = await pair.ask(COUNT)
    assert is_told(answer)
    assert pair.cutter.plan == []


@pytest.mark.parametrize("missing", [b'"usage"', b"[DONE]"])
async def test_what_is_all_said_needs_nobody_to_go_on(pair: Pair, missing: bytes):
    ask = {**COUNT, "stream_options": {"include_usage": True}}
    unbroken = await pair.ask(ask)
    pair.replicas()[1].state = ReplicaState.DRAINING
    await pair.ask(ask)
    broken = await pair.cut(ask, missing)
    assert broken.text == unbroken.text
    assert [each["usage"]["total_tokens"] for each in broken.events[-2:-1]] == [
        each["usage"]["total_tokens"] for each in unbroken.events[-2:-1]
    ]
    assert broken.events[-1] == "[DONE]"


async def test_a_limit_that_was_reached_is_the_end(pair: Pair):
    ask = {**COUNT, "max_tokens": 7, "stream_options": {"include_usage": True}}
    unbroken = await pair.ask(ask)
    broken = await pair.cut(ask, b'"length"')
    assert broken.text == unbroken.text
    assert broken.events[-2]["usage"]["completion_tokens"] == 7
    assert broken.events[-3]["choices"][0]["finish_reason"] == "length"
    assert "/v1/completions" not in pair.cutter.requests


async def test_whoever_waits_too_long_is_told_that_it_broke_off(pair: Pair):
    router = pair.gateway.remuda.gateway._pipeline._router
    usual, router._limits = router._limits, QueueLimits(wait_s=0.3)
    pair.replicas()[1].slots.total = 0  # as if it was taken
    try:
        assert is_told(await pair.cut(COUNT, MIDWAY))
    finally:
        router._limits = usual


async def test_one_that_has_been_in_trouble_goes_on_too(tmp_path: Path):
    async with pair_of_engines(tmp_path, health={}) as pair:
        for _ in range(4):
            assert (await pair.cut(COUNT, MIDWAY)).text == COUNTED


async def test_where_no_other_is_left_the_client_is_told_at_once(pair: Pair):
    pair.replicas()[1].state = ReplicaState.DRAINING
    assert is_told(await pair.cut(COUNT, MIDWAY))


async def test_a_model_of_another_name_does_not_go_on(pair: Pair):
    pair.replicas()[1].upstream_model = "remuda-tiny-q4"
    assert is_told(await pair.cut(COUNT, MIDWAY))


def instead(status: str, kind: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/apply-template", instead("404 Not Found", "application/json", b"{}")),
        ("/apply-template", instead("200 OK", "text/html", b"<html>")),
        ("/tokenize", instead("500 Oops", "application/json", b"{}")),
        ("/v1/completions", instead("503 Busy", "application/json", b"{}")),
        ("/v1/completions", instead("200 OK", "application/json", b"{}")),
        ("/v1/completions", instead("200 OK", "text/event-stream", b"")),
        ("/v1/completions", instead("200 OK", "text/event-stream", b'data: {"error":{"message":"no"}}\n\n')),
        ("/v1/completions", b"HTTP/1.1 nonsense\r\n\r\n"),
    ],
)
async def test_another_that_cannot_go_on_is_no_matter_of_the_clients(pair: Pair, path: str, answer: bytes):
    pair.cutter.instead = {path: answer}
    broken = await pair.cut({**COUNT, "max_tokens": 60}, MIDWAY)
    assert not pair.cutter.instead
    assert broken.is_whole
    assert "error" in broken.events[-1]
    assert b"[DONE]" not in broken.body
    assert b'"content":"3"' in broken.body
    [record] = (await pair.gateway.records())[:1]
    assert (record.status, record.attempts) == (200, 2)


ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null}]}\n\n'
TOO_FULL = b'data: {"error":{"message":"too full","type":"server_error","code":%d}}\n\n'


@pytest.mark.parametrize("code", [500, 503, 429])
@pytest.mark.parametrize(("before", "after"), [(b"", b""), (ROLE, b""), (ROLE, b"data: [DONE]\n\n")])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
async def test_an_error_in_place_of_the_answer_is_as_if_it_had_broken_off(
    pair: Pair, path: str, before: bytes, after: bytes, code: int
):
    pair.cutter.instead = {
        "/v1/chat/completions": instead("200 OK", "text/event-stream", before + TOO_FULL % code + after)
    }
    answer = await pair.ask({**COUNT, "options": {"temperature": 0}}, path)
    assert not pair.cutter.instead
    assert b"too full" not in answer.body
    assert answer.body.count(b'"role":"assistant"') == (1 if path != "/api/chat" else answer.body.count(b"\n"))
    if path != "/api/chat":
        assert (answer.text, answer.events[-1]) == (COUNTED, "[DONE]")
    [record] = (await pair.gateway.records())[:1]
    assert (record.status, record.attempts, record.fault) == (200, 2, "")


@pytest.mark.parametrize(("code", "told"), [(500, "stream_cut"), (503, "engine_down"), (429, "rate_limit_exceeded")])
async def test_an_error_in_place_of_the_answer_is_told_where_nobody_else_is(pair: Pair, code: int, told: str):
    pair.replicas()[1].state = ReplicaState.DRAINING
    error = instead("200 OK", "text/event-stream", ROLE + TOO_FULL % code)
    pair.cutter.instead = {"/v1/chat/completions": error}
    answer = await pair.ask(COUNT)
    assert answer.is_whole
    assert [list(each) for each in answer.events] == [["choices"], ["error"]], "the role, and that it has failed"
    assert answer.events[-1]["error"]["code"] == told
    [record] = (await pair.gateway.records())[:1]
    assert (record.status, record.attempts, record.fault) == (200, 1, told)


async def test_what_the_request_is_to_blame_for_is_asked_of_nobody_else(pair: Pair):
    error = instead("200 OK", "text/event-stream", TOO_FULL % 400)
    pair.cutter.instead = {"/v1/chat/completions": error}
    answer = await pair.ask(COUNT)
    assert (answer.events[-1]["error"]["message"], answer.events[-1]["error"]["code"]) == (
        "too full",
        "invalid_request",
    )
    [record] = (await pair.gateway.records())[:1]
    assert record.attempts == 1


async def test_it_waits_for_a_slot_before_all_others(pair: Pair):
    one, two = pair.replicas()
    two.slots.total = 0  # as if it was taken
    one.slots.total = 1
    broken = asyncio.ensure_future(pair.cut(COUNT, MIDWAY))
    model = pair.gateway.remuda.fleet.look_up(MODEL)
    assert model is not None
    await pair.gateway.until(lambda: pair.cutter.cuts == 1 and len(model.waiting) == 1, "it waits")
    one.slots.total = 0
    other = asyncio.ensure_future(pair.ask({**COUNT, "stream": False}))
    await pair.gateway.until(lambda: len(model.waiting) == 2, "another waits")
    first = next(iter(model.waiting.order()))
    assert first.exchange.is_streamed  # type: ignore[attr-defined]
    two.slots.total = 1
    pair.gateway.remuda.fleet.freed(two)
    assert (await broken).text == COUNTED
    assert (await other).json()["choices"][0]["message"]["content"] == COUNTED


async def test_while_it_waits_for_a_slot_its_client_is_told(pair: Pair):
    one, two = pair.replicas()
    two.slots.total = 0  # as if it was taken
    one.slots.total = 1
    keep_alive = pair.gateway.remuda.keep_alive
    usual, keep_alive._after_s, keep_alive._every_s = (keep_alive._after_s, keep_alive._every_s), 0.01, 0.01
    before = keep_alive.sent
    try:
        broken = asyncio.ensure_future(pair.cut(COUNT, MIDWAY))
        await pair.gateway.until(lambda: keep_alive.sent >= before + 2, "it has been told twice")
        two.slots.total = 1
        pair.gateway.remuda.fleet.freed(two)
        answer = await broken
    finally:
        keep_alive._after_s, keep_alive._every_s = usual
    assert answer.text == COUNTED
    assert answer.events[-1] == "[DONE]"
    assert b"\n\n: waiting position=1" in answer.body


async def test_whoever_leaves_meanwhile_leaves_nothing_behind(pair: Pair):
    before = outcomes(pair.gateway)
    pair.cutter.cuts = 0
    pair.cutter.plan = [Cut(MIDWAY), Cut(700, hangs=True)]
    async with RawClient(pair.gateway.port) as client:
        client.say(post(json.dumps(LONG).encode()))
        await client.events(5)
        await pair.gateway.until(lambda: pair.cutter.cuts == 2, "the second hangs")
        client.leave()
        await pair.gateway.at_rest()
    assert outcomes(pair.gateway)["abandoned"] == before["abandoned"] + 1
    [record] = (await pair.gateway.records())[:1]
    assert (record.status, record.fault, record.attempts) == (499, "client_gone", 2)


async def test_whoever_leaves_the_queue_again_leaves_nothing_behind(pair: Pair):
    for replica in pair.replicas():
        replica.slots.total = 1 if replica.id.startswith("one/") else 0
    model = pair.gateway.remuda.fleet.look_up(MODEL)
    assert model is not None
    pair.cutter.plan = [Cut(MIDWAY)]
    async with RawClient(pair.gateway.port) as client:
        client.say(post(json.dumps(COUNT).encode()))
        await client.events(3)
        await pair.gateway.until(lambda: len(model.waiting) == 1, "it waits")
        client.leave()
        await pair.gateway.at_rest()
    assert pair.gateway.remuda.fleet.queued == 0


async def test_a_slow_client_gets_all_of_it(pair: Pair):
    unbroken = await pair.ask(LONG)
    pair.cutter.plan = [Cut(30_000)]
    async with RawClient(pair.gateway.port, receive_buffer=4096) as client:
        client.say(post(json.dumps(LONG).encode()))
        await pair.gateway.until(lambda: not pair.cutter.plan, "it is cut")
        answer = await client.answer()
    assert answer.text == unbroken.text
    assert answer.events[-1] == "[DONE]"


@pytest.mark.parametrize("routing", [{"continuation": False}, {"continuation_max_bytes": 2}])
async def test_the_operator_may_forbid_or_bound_it(tmp_path: Path, routing: dict[str, Any]):
    async with pair_of_engines(tmp_path, routing=routing) as pair:
        assert is_told(await pair.cut(COUNT, MIDWAY))
        assert sum(outcomes(pair.gateway).values()) == 0
        page = pair.gateway.remuda.metrics.render().decode()
        assert 'remuda_stream_continuations_total{outcome="continued"} 0.0' in page


async def test_streams_of_a_local_engine_outlive_its_crash():
    with tempfile.TemporaryDirectory(prefix="rmd") as folder:
        async with running_gateway(Path(folder), llamacpp={"n_parallel": 2}) as gateway:
            unbroken = await ask(gateway, LONG)
            async with RawClient(gateway.port) as one, RawClient(gateway.port) as two:
                for client in (one, two):
                    client.say(post(json.dumps(LONG).encode()))
                begun = [await client.events(2) for client in (one, two)]
                process = gateway.remuda.local._entries[MODEL].process
                assert process is not None
                os.kill(process.pid, signal.SIGKILL)  # type: ignore[attr-defined]
                rests = [await asyncio.wait_for(each.reader.readuntil(b"0\r\n\r\n"), 30) for each in (one, two)]
            for beginning, rest in zip(begun, rests, strict=True):
                assert b"[DONE]" in rest
                assert text_of(beginning + rest) == unbroken.text
            assert outcomes(gateway) == {"continued": 2, "failed": 0, "abandoned": 0}
            await gateway.at_rest()


async def ask(gateway: RunningGateway, ask: dict[str, Any]) -> RawAnswer:
    async with RawClient(gateway.port) as client:
        client.say(post(json.dumps(ask).encode()))
        return await client.answer()


def text_of(chunks: bytes) -> str:
    events = [json.loads(line[6:]) for line in chunks.split(b"\n") if line.startswith(b"data: {")]
    return "".join(each["choices"][0]["delta"].get("content") or "" for each in events if each["choices"])
