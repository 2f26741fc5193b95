"""Why a request went where it went, as its operator sees it afterwards."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from remuda.core.decision import Decision, decisions_in
from remuda.store.journal_reading import JournalFilter, journal_page
from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.pair import MODEL, pair_of_engines
from tests.fixtures.process import run_remuda
from tests.fixtures.raw import RawAnswer, RawClient, post

HEALTH = {"breaker_failures": 0, "probe_every_s": 60}


async def ask(gateway: RunningGateway, request_id: str, model: str = "fake", **more: Any) -> RawAnswer:
    async with RawClient(gateway.port) as client:
        body = json.dumps({"model": model, "messages": [], **more}).encode()
        client.say(post(body, f"X-Request-Id: {request_id}"))
        return await client.answer()


async def decided(gateway: RunningGateway, request_id: str) -> list[Decision]:
    """What the journal says of that request."""
    await gateway.records()  # all that is over is in it now
    [entry] = (await journal_page(gateway.remuda.store, JournalFilter(request_id=request_id))).entries
    return decisions_in(entry.record.decisions)


async def explained(data: Path, *arguments: str) -> str:
    done = await asyncio.to_thread(run_remuda, "explain", *arguments, "--data", data)
    assert done.returncode == 0, done.stderr
    return done.stdout


def servers(*fakes: FakeUpstream, models: tuple[str, ...] = ("fake",)) -> list[dict[str, Any]]:
    names = ("one", "two", "three")
    return [
        {"url": fake.url, "name": name, "models": models, "slots": 4} for name, fake in zip(names, fakes, strict=False)
    ]


async def test_who_else_could_have_had_it_and_why_there_was_another_try(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as one,
        FakeUpstream() as two,
        running_gateway(tmp_path, upstreams=servers(one, two), health=HEALTH) as gateway,
    ):
        one.behave(fault=Fault.ERROR, status=500)
        for name in ("first", "second"):  # equals take turns: one of the two goes to the server that fails
            assert (await ask(gateway, name)).header("x-remuda-replica") == "two/fake"
        both = (("one/fake", 0, 4), ("two/fake", 0, 4))
        records = {record.attempts: record.id for record in await gateway.records()}
        assert await decided(gateway, records[1]) == [Decision(1, "least_active", "two/fake", both)]
        assert await decided(gateway, records[2]) == [
            Decision(1, "least_active", "one/fake", both),
            Decision(2, "only", "two/fake", both[1:], after="upstream_failed"),
        ]
        said = await explained(tmp_path, records[2])
        assert "attempt 1: one/fake by least_active, of one/fake (0/4), two/fake (0/4)\n" in said
        assert "attempt 2: two/fake as the only one, of two/fake (0/4); another attempt after upstream_failed\n" in said
        [told] = json.loads(await explained(tmp_path, records[2], "--json"))
        assert (told["id"], told["replica"], told["status"], told["attempts"]) == (records[2], "two/fake", 200, 2)
        assert [each["chosen"] for each in told["decisions"]] == ["one/fake", "two/fake"]
        await gateway.at_rest()


async def test_with_one_server_nothing_is_kept_and_the_record_says_it(tmp_path: Path) -> None:
    async with FakeUpstream() as one, running_gateway(tmp_path, upstreams=servers(one), health=HEALTH) as gateway:
        assert (await ask(gateway, "mine")).status == 200
        assert await decided(gateway, "mine") == []
        assert "attempt 1: one/fake as the only one" in await explained(tmp_path, "mine")
        done = await asyncio.to_thread(run_remuda, "explain", "yours", "--data", tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "remuda: the journal holds no request 'yours' (records are kept for 90 days)\n"


async def test_which_model_of_a_chain_and_why_not_the_one_before(tmp_path: Path) -> None:
    async with FakeUpstream(models=("big",)) as big, FakeUpstream(models=("small",)) as small:
        upstreams = [
            {"url": big.url, "name": "one", "models": ["big"]},
            {"url": small.url, "name": "two", "models": ["small"]},
        ]
        models = {"aliases": {"smart": ["big", "small"]}}
        async with running_gateway(tmp_path, upstreams=upstreams, models=models, health=HEALTH) as gateway:
            big.behave(fault=Fault.ERROR, status=500)
            assert (await ask(gateway, "mine", "smart")).header("x-remuda-replica") == "two/small"
            first, second = await decided(gateway, "mine")
            assert (first.model, first.passed_over) == ("big", ())
            assert (second.model, second.passed_over) == ("small", (("big", "failed the request"),))
            assert "smart stands for small now, big was passed over (failed the request)" in await explained(
                tmp_path, "mine"
            )


@pytest.mark.engine
@pytest.mark.xdist_group("engine")
async def test_a_stream_that_another_engine_goes_on_with_has_two_decisions(tmp_path: Path) -> None:
    async with pair_of_engines(tmp_path) as pair:
        body = {
            "model": MODEL, "stream": True, "temperature": 0, "max_tokens": 30,
            "messages": [{"role": "user", "content": "Count from 3 to 9."}],
        }  # fmt: skip
        answer = await pair.cut(body, 1500)
        assert answer.status == 200
        [record] = await pair.gateway.records()
        assert record.attempts == 2
        first, second = await decided(pair.gateway, record.id)
        assert (first.by, len(first.of), first.after) == ("least_active", 2, "")
        assert (second.by, second.after) == ("only", "stream_cut")
        assert {first.chosen, second.chosen} == {f"one/{MODEL}", f"two/{MODEL}"}


async def test_a_conversation_is_not_sent_for_ever_where_nothing_is_kept_of_it(tmp_path: Path) -> None:
    """What the engines report reaches the policy: two misses in a row, and the load decides."""
    said = "and so on " * 100
    async with (
        FakeUpstream() as one,
        FakeUpstream() as two,
        FakeUpstream() as three,
        running_gateway(
            tmp_path, upstreams=servers(one, two, three), health=HEALTH, routing={"policy": "prefix_affinity"}
        ) as gateway,
    ):

        async def turn(number: int) -> str:
            answer = await ask(gateway, f"turn-{number}", messages=[{"role": "user", "content": said}])
            gateway.remuda.recorder.flush()
            return answer.header("x-remuda-replica") or ""

        for fake in (one, two, three):
            fake.behave(cached_share=0.95)
        kept = [await turn(number) for number in range(6)]
        assert len(set(kept)) == 1
        for fake in (one, two, three):
            fake.behave(cached_share=0.0)
        lost = [await turn(number) for number in range(6, 12)]
        assert lost[:2] == kept[:2], "it has read it again, and may have it now"
        assert len(set(lost)) > 1
        await gateway.at_rest()
