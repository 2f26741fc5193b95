"""Tasks answered by the gateway in the same process, in front of a fake."""

from pathlib import Path

import msgspec
import pytest

from remuda.core.priority import Priority
from remuda.core.task import Claim
from remuda.jobs.inside import InsideRunner
from remuda.jobs.runner import Outcome
from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway

CHAT = "/v1/chat/completions"


def claim(path: str = CHAT, **fields: object) -> Claim:
    body = {"model": "fake", "messages": [{"role": "user", "content": "hi"}], **fields}
    return Claim(
        "id", 1, "w", 2, "", "u", "tasks", path, "fake", msgspec.json.encode(body), Priority.NORMAL, 9.0, 0.0, 0.0
    )


async def outcome_of(gateway: RunningGateway, asked: Claim, tell: list[tuple[str, int]] | None = None) -> Outcome:
    remuda = gateway.remuda
    await gateway.until(lambda: remuda.fleet.look_up("fake") is not None, "it is known")
    runner = InsideRunner(remuda.durable.inside, {route.path: route for route in remuda._lane_routes})
    run = runner.start(asked, lambda text, tokens: (tell if tell is not None else []).append((text, tokens)))
    outcome = await run.outcome()
    await gateway.at_rest()
    return outcome


async def test_a_streamed_answer_is_told_as_it_comes(tmp_path: Path) -> None:
    async with FakeUpstream() as fake, running_gateway(tmp_path, upstreams=[{"url": fake.url}]) as gateway:
        told: list[tuple[str, int]] = []
        outcome = await outcome_of(gateway, claim(stream=True, stream_options={"include_usage": True}), told)
        assert outcome.text == "".join(text for text, _ in told)
        assert (outcome.status, outcome.error_type) == (200, "")
        assert outcome.record is not None
        record = outcome.record
        assert (record.id, record.dialect, record.user_id, record.attempts) == ("id", "tasks", "u", 2)
        assert outcome.record.completion_tokens == told[-1][1] > 0
        assert await gateway.records() == []  # whoever asked keeps it


async def test_a_whole_answer(tmp_path: Path) -> None:
    async with FakeUpstream() as fake, running_gateway(tmp_path, upstreams=[{"url": fake.url}]) as gateway:
        outcome = await outcome_of(gateway, claim())
        assert msgspec.json.decode(outcome.body)["choices"][0]["message"]["content"] == outcome.text
        outcome = await outcome_of(gateway, claim("/v1/embeddings", input="x"))
        assert (outcome.status, outcome.text) == (200, None)


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.DROP_MID_STREAM, Fault.ERROR_IN_STREAM, Fault.MALFORMED_HEAD])
async def test_what_goes_wrong_is_told(*, is_streamed: bool, fault: Fault, tmp_path: Path) -> None:
    async with FakeUpstream() as fake, running_gateway(tmp_path, upstreams=[{"url": fake.url}]) as gateway:
        await gateway.until(lambda: gateway.remuda.fleet.look_up("fake") is not None, "it is known")
        fake.behave(fault=fault)
        outcome = await outcome_of(gateway, claim(stream=is_streamed))
        if fault is Fault.ERROR_IN_STREAM and not is_streamed:
            return  # there is no stream in which it could be
        assert outcome.status >= 500
        assert outcome.error_type
        assert outcome.text is None


@pytest.mark.parametrize("after_chunks", [0, 2])
async def test_what_is_called_off_says_so_wherever_its_answer_stood(after_chunks: int, tmp_path: Path) -> None:
    async with FakeUpstream() as fake, running_gateway(tmp_path, upstreams=[{"url": fake.url}]) as gateway:
        remuda = gateway.remuda
        await gateway.until(lambda: remuda.fleet.look_up("fake") is not None, "it is known")
        fake.gate.hold(after_chunks=after_chunks)
        runner = InsideRunner(remuda.durable.inside, {route.path: route for route in remuda._lane_routes})
        run = runner.start(claim(stream=True), lambda text, tokens: None)
        await fake.gate.reached()
        await gateway.until(lambda: run.tokens >= after_chunks, "so much has come")
        run.stop()
        outcome = await run.outcome()
        assert (outcome.status, outcome.error_type) == (499, "client_gone")
        assert outcome.record is not None
        assert outcome.record.status == 499
        fake.gate.release()


async def test_a_body_that_is_wrong_is_refused_as_for_anybody(tmp_path: Path) -> None:
    async with FakeUpstream() as fake, running_gateway(tmp_path, upstreams=[{"url": fake.url}]) as gateway:
        outcome = await outcome_of(gateway, claim(n="many"))
        assert (outcome.status, outcome.error_type) == (400, "invalid_request")
        assert "n" in outcome.error_message


async def test_what_only_looks_like_a_wish_for_a_stream_is_none(tmp_path: Path) -> None:
    async with FakeUpstream() as fake, running_gateway(tmp_path, upstreams=[{"url": fake.url}]) as gateway:
        outcome = await outcome_of(gateway, claim(metadata={"stream": True}))
        assert msgspec.json.decode(outcome.body)["object"] == "chat.completion"
        odd = await outcome_of(gateway, claim(stream="yes"))
        assert odd.status == 400
