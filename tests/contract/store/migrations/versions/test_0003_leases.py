"""A store of the second version is brought to the third when it is opened."""

from remuda.store import open_store
from remuda.store.database import store_at
from remuda.store.leases import take_lease
from remuda.store.sightings import read_sightings, write_sightings
from remuda.store.versions import HEAD, migrate, version_of


async def test_a_store_of_the_second_version_takes_leases_and_sightings(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0002"))
    assert await old.read(version_of) == "0002"
    await old.close()
    store = await open_store(empty_url)
    assert await store.read(version_of) == HEAD
    assert await take_lease(store, "probes", "one", 1.0, 1.0)
    await write_sightings(store, {"one": "up"}, [], lease="probes", holder="one")
    assert await read_sightings(store) == (1, {"one": "up"})
    await store.close()
