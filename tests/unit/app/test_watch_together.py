"""Two gateways on one store, without the gateways."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remuda.app.leadership import TTL_S, Leadership
from remuda.app.settings import HealthSettings, UpstreamSettings
from remuda.app.upstreams import UpstreamMaker
from remuda.app.watch_together import WatchTogether
from remuda.fleet.registry import Fleet
from remuda.fleet.sources.upstream import UpstreamSource
from remuda.store import Store, open_store, store_url_in
from remuda.testing.clock import FakeClock
from remuda.testing.upstream import FakeUpstream


class One:
    """A gateway's part in it."""

    def __init__(self, name: str, store: Store, clock: FakeClock, url: str) -> None:
        self.fleet = Fleet()
        self.leadership = Leadership(store, "nodes", name, clock)
        maker = UpstreamMaker(
            HealthSettings(), clock, self.fleet.apply, lambda slots, name: None, lambda: self.leadership.is_leading
        )
        self.upstream = maker.made(UpstreamSettings(url=url, name="node"))
        self.source: UpstreamSource = self.upstream.source
        self.watch = WatchTogether(store, clock, self.leadership, lambda: [self.source])

    @property
    def routable(self) -> list[str]:
        return [each.id for each in self.fleet.replicas() if each.is_routable]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


async def test_what_one_sees_the_other_knows(store: Store) -> None:
    clock = FakeClock()
    async with FakeUpstream() as fake:
        one, two = One("one", store, clock, fake.url), One("two", store, clock, fake.url)
        for each in (one, two):
            await each.leadership.claim()
            each.source.begin()
        await one.watch.once()
        await two.watch.once()
        assert (one.routable, two.routable) == ([], []), "nobody has asked yet"
        await one.source.ask()
        await one.watch.once()
        await two.watch.once()
        assert (one.routable, two.routable) == (["node/fake"], ["node/fake"])
        assert (two.source.probes, two.source.state, two.source.kind) == (0, "active", one.source.kind)
        assert two.source.asked.is_set()

        fake.models = ("fake", "more")
        fake.speech.models = ("fake", "more")
        await one.source.ask()
        await one.watch.once()
        await two.watch.once()
        assert two.routable == ["node/fake", "node/more"]

        await fake.aclose()
        for _ in range(2):
            await one.source.ask()
        await one.watch.once()
        await two.watch.once()
        assert (two.routable, two.source.trouble) == ([], one.source.trouble)

        await clock.advance(TTL_S)
        await two.leadership.claim()
        assert two.leadership.is_leading
        await two.source.ask()
        await two.watch.once()
        assert two.source.probes == 1
        for each in (one, two):
            await each.upstream.client.close()


async def test_nothing_new_is_not_written_again(store: Store) -> None:
    clock = FakeClock()
    async with FakeUpstream() as fake:
        one = One("one", store, clock, fake.url)
        await one.leadership.claim()
        versions = []
        for _ in range(3):
            await one.source.ask()
            await one.watch.once()
            versions.append(
                await store.read(lambda c: c.exec_driver_sql("SELECT max(version) FROM sightings").scalar())
            )
        assert versions == [1, 1, 1]
        await one.upstream.client.close()


async def test_a_node_that_comes_later_is_told_all_that_is_known(store: Store) -> None:
    clock = FakeClock()
    async with FakeUpstream() as fake:
        one = One("one", store, clock, fake.url)
        await one.leadership.claim()
        await one.source.ask()
        await one.watch.once()
        two = One("two", store, clock, fake.url)
        await two.leadership.claim()
        two.watch._version = 1  # it has read before it had this node
        await two.watch.once()
        assert two.routable == ["node/fake"]
        for each in (one, two):
            await each.upstream.client.close()
