"""What a server elsewhere offers is asked of it, and what it answers becomes replicas."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from remuda.core.address import Address
from remuda.core.node import NodeKind
from remuda.engines.llamacpp.adapter import LlamaCpp
from remuda.engines.ollama.adapter import Ollama
from remuda.engines.openai.adapter import OpenAILike
from remuda.engines.protocol import Engine
from remuda.fleet.health import HealthRules
from remuda.fleet.registry import WILDCARD, Asked, Asking, FleetChange, Served
from remuda.fleet.replica import Deadlines, Replica, ReplicaState, Slots
from remuda.fleet.sources.upstream import ITSELF, UpstreamSource, names_in
from remuda.outbound.http import NO_HEADERS, NothingThere, NotJson, OutboundError, WebPage
from remuda.testing.clock import FakeClock
from remuda.wire.via import MAX_HOPS

OPENAI = OpenAILike()
ENGINES: dict[NodeKind, Engine] = {
    NodeKind.OPENAI: OPENAI,
    NodeKind.REMUDA: OPENAI,
    NodeKind.OLLAMA: Ollama(),
    NodeKind.LLAMA_CPP: LlamaCpp(),
}
RULES = HealthRules(failures=2, successes=2, every_s=10, again_s=1)


class FakeClient:
    """Answers the question for models as told, and others as `more` says; an exception is raised."""

    def __init__(self, *answers: Any, more: dict[str, Any] | None = None) -> None:
        self.answers = list(answers)
        self.more = more or {}
        self.asked = 0
        self.headers: Mapping[str, str] = {}

    async def get_json(
        self, path: str, *, base_path: str | None = None, headers: Mapping[str, str] = NO_HEADERS
    ) -> Any:
        if path == "/models":
            self.headers = headers
        if path == "/models" or path in self.more:
            self.asked += path == "/models"
            answer = self.more.get(path) or (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
        else:
            answer = NothingThere("it answers 404", 404)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def post_json(self, path: str, value: Any, *, base_path: str | None = None) -> Any:
        return await self.get_json(path)


def offering(*names: str) -> dict[str, Any]:
    return {"data": [{"id": name} for name in names]}


class Watched:
    """A source, and what it has announced."""

    def __init__(
        self,
        *answers: Any,
        models: tuple[str, ...] = (),
        kind: NodeKind | None = NodeKind.OPENAI,
        slots: int = 8,
        more: dict[str, Any] | None = None,
        pseudonym: str = "",
    ) -> None:
        self.said: list[FleetChange] = []
        self.client = FakeClient(*answers, more=more)
        self.clock = FakeClock()
        self.source = UpstreamSource(
            "box",
            address=Address("127.0.0.1", 1, base_path="/v1"),
            engines=ENGINES,
            kind=kind,
            client=self.client,  # type: ignore[arg-type]
            slots=slots,
            headers=(),
            models=models,
            deadlines=Deadlines(),
            weight=3,
            announce=self.said.append,
            clock=self.clock,
            chance=lambda: 0.5,
            rules=RULES,
            pseudonym=pseudonym,
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


async def test_one_that_has_no_list_gets_any_name():
    watched = Watched(NothingThere("it answers 404", 404))
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


@pytest.mark.parametrize("answer", [offering("a"), NothingThere("it answers 404", 404), OutboundError("away")])
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


# Kinds

OLLAMA: dict[str, Any] = {
    "/api/version": {"version": "0.12.11"},
    "/api/tags": {"models": [{"name": "a:latest", "size": 5, "digest": "d", "details": {"family": "llama"}}]},
    "/api/ps": {"models": []},
    "/api/show": {"capabilities": ["tools"], "model_info": {}},
}
PROPS = {"total_slots": 3, "default_generation_settings": {"n_ctx": 4096}}


def served(watched: Watched) -> list[Replica]:
    change = watched.said[-1]
    assert isinstance(change, Served)
    return list(change.replicas)


async def test_the_kind_is_found_out_and_decides_how_the_server_is_spoken_to():
    watched = Watched(offering("a"), kind=None, more=OLLAMA)
    await watched.source.ask()
    assert watched.source.kind is NodeKind.OLLAMA
    [replica] = served(watched)
    assert (replica.model, replica.engine, replica.address.base_path) == ("a:latest", ENGINES[NodeKind.OLLAMA], "")
    assert replica.told is not None
    assert (replica.told.size_bytes, replica.told.is_running, replica.told.capabilities) == (5, False, ("tools",))


async def test_what_is_told_for_lists_alone_is_renewed_without_an_announcement():
    watched = Watched(kind=NodeKind.OLLAMA, more=dict(OLLAMA))
    for _ in range(3):
        await watched.source.ask()
    assert len(watched.said) == 1
    [replica] = served(watched)
    watched.client.more["/api/ps"] = {"models": [{"name": "a:latest", "size_vram": 7, "expires_at": "soon"}]}
    await watched.source.ask()
    assert len(watched.said) == 1
    assert replica.told is not None
    assert (replica.told.is_running, replica.told.size_vram_bytes, replica.told.expires_at) == (True, 7, "soon")


async def test_another_context_is_news():
    watched = Watched({"data": [{"id": "a", "max_model_len": 10}]}, {"data": [{"id": "a", "max_model_len": 20}]})
    await watched.source.ask()
    assert [replica.context_length for replica in served(watched)] == [10]
    await watched.source.ask()
    assert [replica.context_length for replica in served(watched)] == [20]
    await watched.source.ask()
    assert len(watched.said) == 2


@pytest.mark.parametrize(("bound", "size"), [(4096, 3), (2, 2)])
async def test_llamacpp_gets_no_more_than_it_has_slots(bound: int, size: int):
    watched = Watched(offering("a"), kind=NodeKind.LLAMA_CPP, slots=bound, more={"/props": PROPS})
    await watched.source.ask()
    [replica] = served(watched)
    assert (replica.slots.size, replica.slots.total, replica.context_length) == (size, size, 4096)
    watched.client.more["/props"] = {**PROPS, "total_slots": 1}
    replica.slots.in_use = 2
    await watched.source.ask()
    assert (replica.slots.size, replica.slots.free) == (1, 0)
    assert served(watched) == [replica]
    assert len(watched.said) == 2, "whoever waits for a slot has to hear of it"


async def test_while_it_is_away_another_kind_may_take_its_place():
    gone = OutboundError("gone")
    watched = Watched(*[offering("a:latest")] * 2, gone, gone, offering("a:latest"), kind=None)
    await watched.source.ask()
    assert watched.source.kind is NodeKind.OPENAI
    [before] = served(watched)
    before.slots.in_use = 1
    for _ in range(2):
        await watched.source.ask()
    watched.client.more = dict(OLLAMA)
    for _ in range(2):
        await watched.source.ask()
    [after] = served(watched)
    assert (after.engine, after.state) == (ENGINES[NodeKind.OLLAMA], ReplicaState.ACTIVE)
    assert after.slots is before.slots, "what is under way still counts"


async def test_one_whose_kind_is_not_certain_is_asked_as_all_are_and_again():
    watched = Watched(offering("a"), kind=None, more={"/props": OutboundError("busy", 503)})
    await watched.source.ask()
    assert watched.source.kind is None
    assert [replica.engine for replica in served(watched)] == [OPENAI]
    watched.client.more["/props"] = PROPS
    await watched.source.ask()
    assert watched.source.kind is NodeKind.LLAMA_CPP
    assert [replica.engine for replica in served(watched)] == [ENGINES[NodeKind.LLAMA_CPP]]


async def test_another_remuda_whose_word_does_not_come_is_not_taken_for_an_ollama():
    watched = Watched(offering("a"), kind=None, more={**OLLAMA, "/version": OutboundError("busy")})
    await watched.source.ask()
    assert watched.source.kind is None
    watched.client.more["/version"] = {"name": "Remuda"}
    await watched.source.ask()
    assert watched.source.kind is NodeKind.REMUDA
    assert len(watched.said) == 1, "it is spoken to as before"


async def test_configured_models_are_served_before_the_kind_is_known():
    watched = Watched(offering("a"), kind=None, models=("a", "other"), more=OLLAMA)
    watched.source.begin()
    assert [replica.engine for replica in served(watched)] == [OPENAI] * 2
    await watched.source.ask()
    assert [replica.model for replica in served(watched)] == ["a", "other"]
    assert {replica.engine for replica in served(watched)} == {ENGINES[NodeKind.OLLAMA]}
    assert [replica.told is not None for replica in served(watched)] == [True, False], "a is a:latest there"


async def test_a_model_that_is_listed_by_both_its_names_is_served_once():
    watched = Watched(offering("a", "a:latest", "b:latest"))
    await watched.source.ask()
    assert [replica.model for replica in served(watched)] == ["a", "b:latest"]


async def test_a_web_page_is_no_list_of_models_and_no_leave_to_pass_any_name_on():
    watched = Watched(WebPage("it answers with a web page", 200), kind=None)
    watched.source.begin()
    for _ in range(3):
        await watched.source.ask()
    assert not [change for change in watched.said if isinstance(change, Served)]
    assert "web page" in watched.source.trouble
    assert watched.source.latency_s is None
    named = Watched(WebPage("it answers with a web page", 200), models=("mine",))
    named.source.begin()
    for _ in range(2):
        await named.source.ask()
    assert named.last == {"box/mine": ReplicaState.STANDBY}


NONSENSE = [NotJson("it answers something that is not JSON", 200), {"models": []}, ["a"], {"data": None}, 3, None]


@pytest.mark.parametrize("answer", NONSENSE)
async def test_nonsense_is_no_leave_to_pass_any_name_on(answer: Any):
    watched = Watched(answer)
    watched.source.begin()
    for _ in range(3):
        await watched.source.ask()
    assert not [change for change in watched.said if isinstance(change, Served)]
    assert watched.source.state is ReplicaState.STANDBY
    assert "it answers something that is not" in watched.source.trouble


@pytest.mark.parametrize("answer", NONSENSE)
async def test_nonsense_leaves_the_list_known_so_far(answer: Any):
    watched = Watched(offering("a", "b"), answer)
    states = []
    for _ in range(3):
        await watched.source.ask()
        states.append(watched.last)
    assert [set(names) for names in states] == [{"box/a", "box/b"}] * 3
    assert [set(names.values()) for names in states] == [
        {ReplicaState.ACTIVE},
        {ReplicaState.ACTIVE},
        {ReplicaState.STANDBY},
    ]


async def test_one_that_is_not_of_the_given_kind_is_on_standby():
    watched = Watched(offering("a"), kind=NodeKind.OLLAMA, models=("a",))
    watched.source.begin()
    for _ in range(2):
        await watched.source.ask()
    assert watched.last == {"box/a": ReplicaState.STANDBY}
    assert watched.source.kind is NodeKind.OLLAMA
    assert watched.source.trouble == "it answers 404"


@pytest.mark.parametrize(
    ("kind", "path", "said", "trouble"),
    [
        (NodeKind.LLAMA_CPP, "/props", PROPS, "it does not answer as llama.cpp's server does"),
        (NodeKind.REMUDA, "/version", {"name": "Remuda"}, "it does not answer as a Remuda does"),
    ],
)
async def test_one_that_only_lists_models_is_not_taken_for_the_given_kind(
    kind: NodeKind, path: str, said: Any, trouble: str
):
    watched = Watched(offering("a"), kind=kind)
    for _ in range(2):
        await watched.source.ask()
    assert not watched.said
    assert (watched.source.state, watched.source.trouble) == (ReplicaState.STANDBY, trouble)
    watched.client.more[path] = said
    for _ in range(2):
        await watched.source.ask()
    assert watched.last == {"box/a": ReplicaState.ACTIVE}
    assert watched.source.trouble == ""


async def test_how_long_its_last_answer_took_is_kept():
    watched = Watched(offering("a"), OutboundError("gone"))
    await watched.source.ask()
    assert watched.source.latency_s == 0.0
    await watched.source.ask()
    assert watched.source.latency_s is None
    assert watched.source.trouble == "gone"


def remuda_listing(instance: str, **standings: Any) -> dict[str, Any]:
    return {
        "data": [{"id": name, "remuda": standing} for name, standing in standings.items()],
        "remuda": {"instance": instance},
    }


async def test_what_another_remuda_has_through_us_or_from_nobody_is_not_chosen():
    answer = remuda_listing(
        "remuda-2", a={}, away={"away": True}, far={"via": ["remuda-3"]}, ours={"via": ["remuda-3", "remuda-1"]}
    )
    back = remuda_listing("remuda-2", a={"away": True}, away={})
    watched = Watched(answer, answer, back, kind=NodeKind.REMUDA, pseudonym="remuda-1")
    await watched.source.ask()
    expected = {"a": ReplicaState.ACTIVE, "away": ReplicaState.STANDBY, "far": ReplicaState.ACTIVE}
    assert watched.last == {f"box/{name}": state for name, state in expected.items()}
    change = watched.said[-1]
    assert isinstance(change, Served)
    assert {each.model: each.path for each in change.replicas} == {
        "a": ("remuda-2",),
        "away": ("remuda-2",),
        "far": ("remuda-2", "remuda-3"),
    }
    assert watched.client.headers == {"Via": "1.1 remuda-1"}
    watched.source.drain(False)
    assert watched.last["box/away"] is ReplicaState.STANDBY
    before = len(watched.said)
    await watched.source.ask()
    assert len(watched.said) == before, "there is no news"
    await watched.source.ask()
    assert watched.last == {"box/a": ReplicaState.STANDBY, "box/away": ReplicaState.ACTIVE}


async def test_a_path_that_is_too_long_is_none():
    answer = remuda_listing("remuda-2", a={"via": [f"r{number}" for number in range(MAX_HOPS)]})
    watched = Watched(answer, kind=NodeKind.REMUDA, pseudonym="remuda-1")
    await watched.source.ask()
    assert not watched.said


@pytest.mark.parametrize("models", [(), ("a",)])
async def test_a_server_that_is_this_gateway_itself_is_on_standby_at_once(models: tuple[str, ...]):
    answers = remuda_listing("remuda-1", a={}), remuda_listing("remuda-2", a={})
    watched = Watched(answers[0], *[answers[1]] * 2, models=models, kind=NodeKind.REMUDA, pseudonym="remuda-1")
    watched.source.begin()
    await watched.source.ask()
    assert (watched.source.state, watched.source.trouble) == (ReplicaState.STANDBY, ITSELF)
    assert not models or watched.last == {"box/a": ReplicaState.STANDBY}
    for _ in range(2):
        await watched.source.ask()
    assert (watched.source.state, watched.source.trouble) == (ReplicaState.ACTIVE, ""), "another is at that address now"


async def test_another_gateways_sighting_of_ourselves_is_one_of_ourselves():
    leader = Watched(remuda_listing("remuda-1", a={}), kind=NodeKind.REMUDA, pseudonym="remuda-2")
    await leader.source.ask()
    watched = Watched(offering(), kind=NodeKind.REMUDA, pseudonym="remuda-1")
    watched.source.adopt(leader.source.sighting)
    assert (watched.source.state, watched.source.trouble) == (ReplicaState.STANDBY, ITSELF)


async def test_only_a_remuda_is_told_who_asks():
    watched = Watched(offering("a"), pseudonym="remuda-1")
    await watched.source.ask()
    assert not watched.client.headers
    change = watched.said[-1]
    assert isinstance(change, Served)
    assert [each.path for each in change.replicas] == [()]
    old = Watched(offering("a"), kind=NodeKind.REMUDA, more={"/version": {"name": "Remuda"}}, pseudonym="remuda-1")
    await old.source.ask()
    change = old.said[-1]
    assert isinstance(change, Served)
    assert [each.path for each in change.replicas] == [("",)], "it does not tell who it is"


async def test_a_remuda_that_is_taken_for_another_kind_is_known_by_its_list():
    watched = Watched(remuda_listing("remuda-2", a={}), kind=NodeKind.OPENAI, pseudonym="remuda-1")
    for _ in range(2):
        await watched.source.ask()
    assert watched.client.headers == {"Via": "1.1 remuda-1"}
    change = watched.said[-1]
    assert isinstance(change, Served)
    assert [each.path for each in change.replicas] == [("remuda-2",)]


async def test_which_models_are_held_back_is_told():
    watched = Watched(offering("a", "b", "c", "d", "e"))
    await watched.source.ask()
    change = watched.said[-1]
    assert isinstance(change, Served)
    assert watched.source.held_back == ""
    for number, replica in enumerate(change.replicas):
        replica.hold = Slots(1)
        replica.hold.total = 0
        if number == 0:
            assert watched.source.held_back == "requests for a fail, so it gets none of those for a while"
        elif number == 3:
            assert (
                watched.source.held_back == "requests for a, b, c and 1 more fail, so it gets none of those for a while"
            )
    assert watched.source.held_back == "requests fail, so it gets none for a while"


async def test_one_that_has_listed_its_models_does_not_take_any_name_for_one_bad_answer():
    nothing = NothingThere("it answers 404", 404)
    watched = Watched(offering("a"), nothing, offering("a"), *[nothing] * 4)
    source = watched.source
    for models, state in (
        (("a",), ReplicaState.ACTIVE),
        (("a",), ReplicaState.ACTIVE),
        (("a",), ReplicaState.ACTIVE),
        (("a",), ReplicaState.ACTIVE),
        (("a",), ReplicaState.STANDBY),
    ):
        await source.ask()
        assert (source.models, source.state) == (models, state)
    assert source.trouble == "it no longer lists its models"
    for state in (ReplicaState.STANDBY, ReplicaState.ACTIVE):
        await source.ask()
        assert (source.models, source.state) == ((), state), "by now it is another server"
