"""What a server elsewhere offers is asked of it, and what it answers becomes replicas."""

import asyncio
from typing import Any

import pytest

from remuda.core.address import Address
from remuda.engines.openai.adapter import OpenAILike
from remuda.fleet.health import HealthRules
from remuda.fleet.registry import WILDCARD, Asked, Asking, FleetChange, Served
from remuda.fleet.replica import Deadlines, ReplicaState
from remuda.fleet.sources.upstream import UpstreamSource, names_in
from remuda.outbound.http import NotJson, OutboundError
from remuda.testing.clock import FakeClock

RULES = HealthRules(failures=2, successes=2, every_s=10, again_s=1)


class FakeClient:
    """Answers as told; an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def get_json(self, path: str) -> Any:
        assert path == "/models"
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def offering(*names: str) -> dict[str, Any]:
    return {"data": [{"id": name} for name in names]}


class Watched:
    """A source, and what it has announced."""

    def __init__(self, *answers: Any, models: tuple[str, ...] = ()) -> None:
        self.said: list[FleetChange] = []
        self.client = FakeClient(*answers)
        self.clock = FakeClock()
        self.source = UpstreamSource(
            "box",
            address=Address("127.0.0.1", 1),
            engine=OpenAILike(),
            client=self.client,  # type: ignore[arg-type]
            slots=8,
            headers=(),
            models=models,
            deadlines=Deadlines(),
            weight=3,
            announce=self.said.append,
            clock=self.clock,
            chance=lambda: 0.5,
            rules=RULES,
        )

    @property
    def last(self) -> dict[str, ReplicaState]:
        change = self.said[-1]
        assert isinstance(change, Served)
        return {replica.id: replica.state for replica in change.replicas}


async def test_what_it_lists_is_offered_and_shares_its_slots():
    watched = Watched(offering("b", "a"))
    await watched.source.ask()
    assert watched.last == {"box/a": ReplicaState.ACTIVE, "box/b": ReplicaState.ACTIVE}
    [change] = watched.said
    assert isinstance(change, Served)
    assert len({id(replica.slots) for replica in change.replicas}) == 1
    assert {replica.weight for replica in change.replicas} == {3}


async def test_the_same_answer_again_is_no_news_and_replicas_keep_their_identity():
    watched = Watched(offering("a"), offering("a"), offering("a", "b"))
    for _ in range(3):
        await watched.source.ask()
    first, second = watched.said
    assert isinstance(first, Served)
    assert isinstance(second, Served)
    assert first.replicas[0] in second.replicas


async def test_configured_models_hold_whatever_it_lists():
    watched = Watched(offering("other"), models=("mine",))
    watched.source.begin()
    await watched.source.ask()
    assert watched.last == {"box/mine": ReplicaState.ACTIVE}


@pytest.mark.parametrize("answer", [NotJson("it answers 404"), {"models": []}, ["a"]])
async def test_one_that_lists_nothing_gets_any_name(answer: Any):
    watched = Watched(answer)
    await watched.source.ask()
    change = watched.said[-1]
    assert isinstance(change, Served)
    [replica] = change.replicas
    assert (replica.id, replica.model, replica.upstream_model) == ("box", WILDCARD, "")


async def test_it_is_on_standby_after_two_failures_and_active_again_after_two_answers():
    gone = OutboundError("gone")
    watched = Watched(offering("a"), gone, gone, offering("a"), gone, offering("a"), offering("a"))
    seen = []
    for _ in range(7):
        await watched.source.ask()
        seen.append(watched.last["box/a"])
    active, standby = ReplicaState.ACTIVE, ReplicaState.STANDBY
    assert seen == [active, active, standby, standby, standby, standby, active]


async def test_what_it_offers_when_it_comes_back_is_known_before_it_is_trusted():
    gone = OutboundError("gone")
    watched = Watched(gone, gone, offering("a"), offering("a"))
    for _ in range(3):
        await watched.source.ask()
    assert watched.last == {"box/a": ReplicaState.STANDBY}
    await watched.source.ask()
    assert watched.last == {"box/a": ReplicaState.ACTIVE}


async def test_one_that_is_drained_stays_so_whatever_it_answers_until_it_is_not():
    watched = Watched(offering("a"), OutboundError("gone"), OutboundError("gone"), offering("a"))
    await watched.source.ask()
    watched.source.drain()
    for _ in range(5):
        assert watched.last == {"box/a": ReplicaState.DRAINING}
        await watched.source.ask()
    said = watched.said[-1]
    watched.source.drain(False)
    assert watched.last == {"box/a": ReplicaState.ACTIVE}
    assert isinstance(said, Served)
    assert watched.said[-1].replicas == said.replicas  # type: ignore[union-attr]


@pytest.mark.parametrize("error", [ValueError("nonsense"), RecursionError(), KeyError("data"), UnicodeError()])
async def test_whatever_goes_wrong_counts_as_no_answer_and_it_is_asked_again(error: Exception):
    watched = Watched(offering("a"), error, error, offering("a"), offering("a"))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(watched.source.run())
        await watched.clock.asleep()
        await watched.clock.advance(RULES.every_s)
        assert watched.last == {"box/a": ReplicaState.ACTIVE}
        await watched.clock.advance(RULES.again_s)
        assert watched.last == {"box/a": ReplicaState.STANDBY}
        await watched.clock.advance(2 * RULES.again_s)
        assert watched.last == {"box/a": ReplicaState.ACTIVE}
        running.cancel()


async def test_one_told_of_it_who_fails_does_not_end_the_asking():
    watched = Watched(offering("a"), models=("mine",))
    failures = [ValueError("a bug elsewhere")]

    def fails(change: FleetChange) -> None:
        if failures:
            raise failures.pop()
        watched.said.append(change)

    watched.source._announce = fails
    async with asyncio.TaskGroup() as group:
        running = group.create_task(watched.source.run())
        await watched.clock.asleep()
        assert not failures
        await watched.clock.advance(RULES.again_s)
        assert watched.client.asked == 2
        running.cancel()


@pytest.mark.parametrize("answer", [offering("a"), NotJson("it answers 404"), OutboundError("away")])
async def test_it_says_when_it_has_been_asked_for_the_first_time_whatever_came_of_it(answer: Any):
    watched = Watched(answer)
    watched.source.begin()
    assert watched.said == [Asking("box")]
    await watched.source.ask()
    assert watched.said[-1] == Asked("box")
    assert isinstance(watched.said[1], Served | Asked), "what it offers comes first"
    said = len(watched.said)
    await watched.source.ask()
    assert watched.said.count(Asked("box")) == 1
    assert len(watched.said) <= said + 1


async def test_where_settings_name_its_models_nobody_waits_for_its_word():
    watched = Watched(OutboundError("away"), models=("mine",))
    watched.source.begin()
    await watched.source.ask()
    assert [type(change) for change in watched.said] == [Served]


async def test_it_is_asked_more_often_while_it_is_away():
    watched = Watched(OutboundError("away"), offering("a"))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(watched.source.run())
        await watched.clock.asleep()
        await watched.clock.advance(RULES.again_s)
        assert watched.client.asked == 2
        await watched.clock.advance(RULES.every_s - 0.1)
        assert watched.client.asked == 2
        await watched.clock.advance(0.2)
        assert watched.client.asked == 3
        running.cancel()


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (offering("b", "a", "a"), ("a", "b")),
        ({"data": [{"id": 3}, "x", {"id": ""}, {"id": WILDCARD}, {"id": "a"}]}, ("a",)),
        ({"data": []}, ()),
        ({"data": None}, None),
        ("nonsense", None),
    ],
)
def test_names_in_an_answer(answer: Any, names: tuple[str, ...] | None):
    assert names_in(answer) == names


async def test_it_tells_how_the_server_stands() -> None:
    watched = Watched(offering("a", "b"), OutboundError("it answers 500"), OutboundError("it answers 500"))
    source = watched.source
    assert (source.state, source.models, source.latency_s) == (ReplicaState.STANDBY, (), None)
    await source.ask()
    assert (source.state, source.models, source.trouble) == (ReplicaState.ACTIVE, ("a", "b"), "")
    assert source.latency_s is not None
    source.drain()
    assert source.state is ReplicaState.DRAINING
    source.drain(False)
    await source.ask()
    await source.ask()
    assert (source.state, source.models, source.trouble) == (ReplicaState.STANDBY, ("a", "b"), "it answers 500")
    assert source.latency_s is None
    assert source.slots.size == 8
