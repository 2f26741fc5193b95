"""A store of the third version is brought to the fourth when it is opened."""

from remuda.core.node import Node
from remuda.store import open_store
from remuda.store.database import store_at
from remuda.store.nodes import add_node
from remuda.store.versions import HEAD, migrate, version_of


async def test_a_store_of_the_third_version_takes_nodes(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0003"))
    assert await old.read(version_of) == "0003"
    await old.close()
    store = await open_store(empty_url)
    assert await store.read(version_of) == HEAD
    assert (await add_node(store, Node(id=0, name="one", url="http://one"))).id == 1
    await store.close()
