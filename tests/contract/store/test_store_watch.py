"""A running gateway sees what another process did to the keys."""

import pytest
from tests.contract.store.samples import NOON, a_key
from tests.contract.store.turns import TurnClock

from remuda.core.tasks import Tasks
from remuda.store import Store, StoreUnavailable, keys, open_store, watch_revision


class Ring:
    """What a gateway makes of the keys."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.names: list[list[str]] = []
        self.failures = 0

    async def reload(self) -> int:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("gone")
        revision, usable = await keys.usable_keys(self._store)
        self.names.append([key.name for key in usable])
        return revision


@pytest.fixture
async def tasks():
    held = Tasks("test")
    yield held
    await held.close()


async def test_a_change_by_another_process_is_seen_at_the_next_look(store: Store, store_url: str, tasks: Tasks):
    ring, clock = Ring(store), TurnClock()
    tasks.start(watch_revision(store, clock, ring.reload), "watch")
    other = await open_store(store_url)
    await clock.turn()
    assert ring.names == [[]]
    await keys.create_key(other, a_key())
    await clock.turn()
    await clock.turn()
    assert ring.names == [[], ["laptop"]]
    await keys.revoke_key(other, "key_laptop", NOON)
    await clock.turn()
    assert ring.names == [[], ["laptop"], []]
    assert max(clock.slept_s) <= 0.5
    await other.close()


async def test_a_known_revision_is_not_read_again(store: Store, tasks: Tasks):
    ring, clock = Ring(store), TurnClock()
    tasks.start(watch_revision(store, clock, ring.reload, known=await store.revision()), "watch")
    await clock.turn()
    assert ring.names == []


async def test_a_change_that_could_not_be_read_is_read_at_the_next_look(store: Store, tasks: Tasks):
    ring, clock = Ring(store), TurnClock()
    ring.failures = 1
    tasks.start(watch_revision(store, clock, ring.reload), "watch")
    await clock.turn()
    assert ring.names == [[]]


@pytest.mark.postgres
async def test_the_watch_survives_an_outage(postgres_database: str, postgres_server, tasks: Tasks):
    store = await open_store(postgres_database)
    ring, clock = Ring(store), TurnClock()
    tasks.start(watch_revision(store, clock, ring.reload), "watch")
    postgres_server.stop()
    await clock.turn()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await store.revision()
    postgres_server.start()
    await keys.create_key(store, a_key())
    await clock.turn()
    assert ring.names[-1] == ["laptop"]
    await store.close()
