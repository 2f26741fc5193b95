"""Several gateways on one store, without the gateways."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from remuda.app.leadership import TTL_S, Leadership
from remuda.app.settings import HealthSettings, UpstreamSettings
from remuda.app.upstreams import Upstream, UpstreamMaker
from remuda.app.watch_together import EVERY_S, WatchTogether
from remuda.fleet.health import Health
from remuda.fleet.registry import Fleet, FleetChange
from remuda.fleet.sources.sighting import Sighting, written
from remuda.fleet.sources.upstream import UpstreamSource
from remuda.store import Store, StoreRefused, open_store, store_url_in
from remuda.store.leases import keep_lease
from remuda.store.sightings import MAX_BODY_BYTES, read_sightings, write_sightings
from remuda.testing.clock import FakeClock
from remuda.testing.upstream import FakeUpstream
from tests.contract.store.samples import run_sql


class One:
    """A gateway's part in it."""

    def __init__(self, name: str, store: Store, clock: FakeClock, **urls: str) -> None:
        """`urls`: of its nodes, by their names."""
        self.fleet = Fleet()
        self.leadership = Leadership(store, "nodes", name, clock)
        self.watch = WatchTogether(store, clock, self.leadership, lambda: self.sources)
        self.fails = 0
        """So many times whoever is told of a change fails."""
        self._maker = UpstreamMaker(
            HealthSettings(), clock, self._announced, lambda slots, name: None, self.watch.is_asking
        )
        self._upstreams: dict[str, Upstream] = {}
        for each, url in urls.items():
            self.add(each, url)

    def add(self, name: str, url: str) -> None:
        """Have another node from now on."""
        self._upstreams[name] = self._maker.made(UpstreamSettings(url=url, name=name))
        self[name].begin()

    def _announced(self, change: FleetChange) -> None:
        if self.fails:
            self.fails -= 1
            raise RuntimeError("a bug")
        self.fleet.apply(change)

    async def remove(self, name: str) -> None:
        """Have one less."""
        await self._upstreams.pop(name).client.close()

    async def close(self) -> None:
        for name in list(self._upstreams):
            await self.remove(name)

    def __getitem__(self, name: str) -> UpstreamSource:
        return self._upstreams[name].source

    @property
    def sources(self) -> list[UpstreamSource]:
        return [each.source for each in self._upstreams.values()]

    @property
    def asks(self) -> list[str]:
        """Which of its nodes it is to ask."""
        return [each.name for each in self.sources if self.watch.is_asking(each.place)]

    @property
    def routable(self) -> list[str]:
        return [each.id for each in self.fleet.replicas() if each.is_routable]


class Rig:
    """Gateways, and nodes called `a`, `b` and so on."""

    def __init__(self, store: Store, stack: AsyncExitStack) -> None:
        self.store = store
        self.clock = FakeClock()
        self.fakes: dict[str, FakeUpstream] = {}
        self._stack = stack

    async def gateway(self, name: str, nodes: str, clock: FakeClock | None = None) -> One:
        """One that has these nodes, and has tried to lead."""
        urls = {node: await self.url(node) for node in nodes}
        made = One(name, self.store, clock or self.clock, **urls)
        self._stack.push_async_callback(made.close)
        await made.leadership.claim()
        return made

    async def url(self, node: str) -> str:
        if node not in self.fakes:
            self.fakes[node] = await self._stack.enter_async_context(FakeUpstream())
        return self.fakes[node].url

    async def take_over(self, one: One) -> None:
        """Have it lead: whoever does so at present is silent for long enough."""
        for _ in range(2):
            await one.leadership.claim()
            await self.clock.advance(TTL_S)
        await one.leadership.claim()
        assert one.leadership.is_leading


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
async def rig(store: Store) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        yield Rig(store, stack)


async def test_what_one_sees_the_other_knows(rig: Rig) -> None:
    one, two = await rig.gateway("one", "a"), await rig.gateway("two", "a")
    await one.watch.once()
    await two.watch.once()
    assert (one.routable, two.routable) == ([], []), "nobody has asked yet"
    assert (one.asks, two.asks) == (["a"], ["a"])
    await one["a"].ask()
    await one.watch.once()
    await two.watch.once()
    assert (one.routable, two.routable) == (["a/fake"], ["a/fake"])
    assert two.asks == []
    assert (two["a"].probes, two["a"].state, two["a"].kind) == (0, "active", one["a"].kind)
    assert two["a"].asked.is_set()

    rig.fakes["a"].models = ("fake", "more")
    await one["a"].ask()
    await one.watch.once()
    await two.watch.once()
    assert two.routable == ["a/fake", "a/more"]

    await rig.fakes["a"].aclose()
    for _ in range(2):
        await one["a"].ask()
    await one.watch.once()
    await two.watch.once()
    assert (two.routable, two["a"].trouble) == ([], one["a"].trouble)

    await rig.take_over(two)
    await two["a"].ask()
    await two.watch.once()
    assert two["a"].probes == 1


async def test_nothing_new_is_not_written_again(rig: Rig) -> None:
    one = await rig.gateway("one", "a")
    versions = []
    for _ in range(3):
        await one["a"].ask()
        await one.watch.once()
        versions.append(await version(rig.store))
    assert versions == [1, 1, 1]


async def test_a_node_that_comes_later_is_told_all_that_is_known(rig: Rig) -> None:
    one, two = await rig.gateway("one", "ab"), await rig.gateway("two", "a")
    for source in one.sources:
        await source.ask()
    await one.watch.once()
    await two.watch.once()
    two.add("b", await rig.url("b"))
    await two.watch.once()
    assert two.routable == ["a/fake", "b/fake"]


async def test_one_that_follows_asks_by_itself_whom_the_leader_does_not(rig: Rig) -> None:
    one, two = await rig.gateway("one", "a"), await rig.gateway("two", "ab")
    await one["a"].ask()
    await one.watch.once()
    await two.watch.once()
    assert (one.asks, two.asks) == (["a"], ["b"])
    await two["b"].ask()
    await two.watch.once()
    assert two.routable == ["a/fake", "b/fake"]


async def test_whom_it_need_not_ask_it_knows_before_it_begins(rig: Rig) -> None:
    one, two = await rig.gateway("one", "a"), await rig.gateway("two", "ab")
    await one["a"].ask()
    await one.watch.once()
    await two.watch.begin()
    assert two.asks == ["b"]
    await one.leadership.resign()
    await two.watch.begin()
    assert two.asks == ["a", "b"]


async def test_it_leaves_it_to_the_leader_once_that_does(rig: Rig) -> None:
    one, two = await rig.gateway("one", "a"), await rig.gateway("two", "ab")
    await two["b"].ask()
    one.add("b", await rig.url("b"))
    await one.watch.once()
    await two.watch.once()
    assert (two.asks, two.routable) == (["a", "b"], ["b/fake"]), "the leader has seen neither yet"
    await rig.fakes["b"].aclose()
    for source in (one["a"], one["b"], one["b"]):
        await source.ask()
    await one.watch.once()
    await two.watch.once()
    assert (two.asks, two.routable, two["b"].trouble) == ([], ["a/fake"], one["b"].trouble)

    await one.remove("b")
    await one.watch.once()
    await two.watch.once()
    assert two.asks == ["b"]


async def test_a_node_that_the_leader_has_again_is_told_of_again(rig: Rig) -> None:
    one, two = await rig.gateway("one", "a"), await rig.gateway("two", "a")
    for _ in range(2):
        await one["a"].ask()
        await one.watch.once()
        await two.watch.once()
        assert (two.routable, two.asks) == (["a/fake"], [])
        await one.remove("a")
        await one.watch.once()
        await two.watch.once()
        assert two.asks == ["a"]
        one.add("a", await rig.url("a"))


async def test_whom_the_next_leader_asks_is_what_counts_then(rig: Rig) -> None:
    one, two, three = [await rig.gateway(nodes, nodes) for nodes in ("ab", "ac", "abc")]
    for source in one.sources:
        await source.ask()
    await one.watch.once()
    await three.watch.once()
    assert (three.asks, three.routable) == (["c"], ["a/fake", "b/fake"])
    await one.leadership.resign()
    await two.leadership.claim()
    await two.watch.once()
    await three.watch.once()
    assert (two.asks, three.asks) == (["a", "c"], ["a", "b", "c"]), "it has seen none of them so far"
    await two["c"].ask()
    await two.watch.once()
    await three.watch.once()
    assert three.asks == ["a", "b"]
    assert three.routable == ["a/fake", "b/fake", "c/fake"], "what was seen stands"


async def test_what_the_one_before_has_seen_stands_until_the_next_one_has_asked(rig: Rig) -> None:
    one, two, three = [await rig.gateway(name, "a") for name in ("one", "two", "three")]
    await one["a"].ask()
    await one.watch.once()
    await two.watch.once()
    await one.leadership.resign()
    await two.leadership.claim()
    await two.watch.once()
    await three.watch.once()
    assert (three.asks, three.routable) == ([], ["a/fake"])
    rig.fakes["a"].models = ("fake", "more")
    await two["a"].ask()
    await two.watch.once()
    await three.watch.once()
    assert (three.asks, three.routable) == ([], ["a/fake", "a/more"])


async def test_while_the_store_does_not_answer_each_asks_by_itself(rig: Rig) -> None:
    one, two = await rig.gateway("one", "a"), await rig.gateway("two", "a")
    await one["a"].ask()
    await one.watch.once()
    await run_sql(rig.store, "ALTER TABLE leases RENAME TO away")
    for each in (one, two):
        await each.watch.begin()
    assert (one.asks, two.asks) == (["a"], ["a"])
    await run_sql(rig.store, "ALTER TABLE away RENAME TO leases")
    for each in (one, two):
        await each.watch.begin()
    assert (one.asks, two.asks) == (["a"], [])


async def test_one_that_has_asked_meanwhile_is_told_again_how_things_stand(rig: Rig) -> None:
    one, two = await rig.gateway("one", "a"), await rig.gateway("two", "a")
    await one["a"].ask()
    await one.watch.once()
    await two.watch.once()
    await rig.fakes["a"].aclose()
    for _ in range(2):
        await two["a"].ask()  # as it does while the store does not answer
    assert two.routable == []
    await two.watch.once()
    assert two.routable == ["a/fake"], "nothing is new, for the leader"


async def test_whatever_one_turn_meets_the_next_one_comes(rig: Rig) -> None:
    one = await rig.gateway("one", "a")
    turns = 0

    def sources() -> list[UpstreamSource]:
        nonlocal turns
        turns += 1
        if turns == 1:
            raise RuntimeError("a bug")
        return one.sources

    watch = WatchTogether(rig.store, rig.clock, one.leadership, sources)
    running = asyncio.ensure_future(watch.run())
    try:
        while turns < 2:
            await rig.clock.advance(EVERY_S)
            await asyncio.sleep(0)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_who_was_not_told_because_of_another_is_told_the_next_time(rig: Rig) -> None:
    one, two = await rig.gateway("one", "ab"), await rig.gateway("two", "ab")

    async def share() -> None:
        for name in "ab":
            await one[name].ask()
        await one.watch.once()

    await share()
    for _ in range(2):  # from then on it reads only what is new
        await two.watch.begin()
    assert sorted(two.routable) == ["a/fake", "b/fake"]
    for name in "ab":
        await rig.fakes[name].aclose()
    while one.routable:
        await share()
    two.fails = 1
    await two.watch.begin()
    assert two.routable, "telling of the first has failed"
    await two.watch.begin()
    assert two.routable == []


async def test_a_leader_that_stood_still_does_not_write_over_the_next_one(rig: Rig) -> None:
    still = FakeClock()
    one, two = await rig.gateway("one", "a", still), await rig.gateway("two", "b")
    await one["a"].ask()
    await one.watch.once()
    await rig.take_over(two)
    await two["b"].ask()
    await two.watch.once()
    one.add("c", await rig.url("c"))
    await one["c"].ask()
    assert one.leadership.is_leading, "as far as it knows"
    with pytest.raises(StoreRefused):
        await one.watch.once()
    await one.leadership.claim()
    await one.watch.once()
    assert one.asks == ["a", "c"], "the next one has neither"
    assert set((await read_sightings(rig.store) or (0, {}))[1]) == {two["b"].place}


async def test_of_whom_too_much_is_seen_to_be_told_each_asks_by_itself(rig: Rig) -> None:
    one, two = await rig.gateway("one", "ab"), await rig.gateway("two", "ab")
    for _ in range(2):
        for source in one.sources:
            await source.ask()
        one["b"].trouble = "x" * (MAX_BODY_BYTES + 1)
        await one.watch.once()
        await two.watch.once()
        assert (two.routable, two.asks) == (["a/fake"], ["b"])
    await one["b"].ask()
    await one.watch.once()
    await two.watch.once()
    assert (two.routable, two.asks) == (["a/fake", "b/fake"], [])


async def test_who_does_not_understand_what_is_told_of_a_node_asks_by_itself(rig: Rig) -> None:
    assert await keep_lease(rig.store, "nodes", "newer", rig.clock.wall, TTL_S)
    two = await rig.gateway("two", "ab")

    async def tell(**seen: str) -> None:
        told: Mapping[str, str] = {two[node].place: text for node, text in seen.items()}
        places = [source.place for source in two.sources]
        await write_sightings(rig.store, told, places, lease="nodes", holder="newer")

    good = written(Sighting(Health(), None, "", None, None))
    await tell(a='{"health": "good"}', b=good)
    await two.watch.once()
    assert two.asks == ["a"]
    await tell(b='{"health": "bad"}')
    await two.watch.once()
    assert two.asks == ["a", "b"]
    await tell(a=good)
    await two.watch.once()
    assert two.asks == ["b"]


async def version(store: Store) -> int:
    """How often something was written."""
    return (await read_sightings(store) or (0, {}))[0]
