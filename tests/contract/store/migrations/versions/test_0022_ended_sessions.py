"""A store of an older version keeps which sessions were ended when it has been opened."""

from remuda.core.users import Session
from remuda.store import open_store
from remuda.store.database import store_at
from remuda.store.users import end_session, list_ended_sessions
from remuda.store.versions import HEAD, migrate, version_of


async def test_a_store_of_an_older_version(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0021"))
    await old.close()
    store = await open_store(empty_url)
    assert await store.read(version_of) == HEAD
    await end_session(store, Session("one", "root", 2.0), 1.0)
    assert await list_ended_sessions(store) == {"one"}
    await store.close()
