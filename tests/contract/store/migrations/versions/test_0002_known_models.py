"""A store of the first version is brought to the second when it is opened."""

from tests.contract.store.samples import a_key, run_sql

from remuda.store import keys, open_store
from remuda.store.database import store_at
from remuda.store.known_models import note_models, noted_models
from remuda.store.versions import HEAD, migrate, version_of


async def test_a_store_of_the_first_version_keeps_what_it_holds_and_takes_names(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0001"))
    assert await old.read(version_of) == "0001"
    await run_sql(old, "UPDATE counters SET value = 7 WHERE name = 'revision'")
    await old.close()
    store = await open_store(empty_url)
    assert await store.read(version_of) == HEAD
    assert await store.revision() == 7
    await keys.create_key(store, a_key())
    await note_models(store, "one", ["m"], 1.0)
    assert await noted_models(store) == {"one": ["m"]}
    await store.close()
