"""A store of an older version has the first rules when it has been opened, once."""

from remuda.store import open_store
from remuda.store.alert_rules import list_rules, remove_rule
from remuda.store.database import store_at
from remuda.store.versions import HEAD, migrate, version_of


async def test_the_rules_are_made_once(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0017"))
    await old.close()
    store = await open_store(empty_url)
    assert await store.read(version_of) == HEAD
    for rule in (await list_rules(store))[1]:
        await remove_rule(store, rule.id, 0.0)
    await store.close()
    store = await open_store(empty_url)
    assert (await list_rules(store))[1] == []
    await store.close()
