"""Nodes, on each kind of database."""

import asyncio
from dataclasses import replace

import pytest
from tests.contract.store.samples import NOON, run_sql

from remuda.core.node import Node, NodeKind
from remuda.store import Store
from remuda.store.nodes import MAX_NODES, NodeTaken, TooManyNodes, add_node, list_nodes, remove_node, update_node

ONE = Node(
    id=0,
    name="one",
    url="http://10.0.0.1:11434",
    kind=NodeKind.OLLAMA,
    credential="env:ONE_KEY",
    slots=4,
    weight=2,
    is_drained=True,
    created_at=NOON,
)
TWO = Node(id=0, name="two", url="http://10.0.0.2:8000/v1", created_at=NOON)


async def nodes_in(store: Store) -> list[Node]:
    return (await list_nodes(store))[1]


async def test_a_node_is_kept_as_it_was_given_under_an_id_of_its_own(store: Store):
    one, two = await add_node(store, ONE), await add_node(store, TWO)
    assert one == replace(ONE, id=1)
    assert await nodes_in(store) == [one, two]


async def test_every_change_raises_the_revision_that_the_list_tells(store: Store):
    revisions = [(await list_nodes(store))[0]]
    one = await add_node(store, ONE)
    revisions.append((await list_nodes(store))[0])
    await update_node(store, replace(one, is_drained=False))
    revisions.append((await list_nodes(store))[0])
    await remove_node(store, one.id)
    revisions.append((await list_nodes(store))[0])
    assert revisions == sorted(set(revisions))
    assert await store.revision() == revisions[-1]


async def test_a_name_and_an_address_are_used_once(store: Store):
    one = await add_node(store, ONE)
    with pytest.raises(NodeTaken, match="called 'one'"):
        await add_node(store, replace(TWO, name="one"))
    with pytest.raises(NodeTaken, match=r"at http://10.0.0.1:11434"):
        await add_node(store, replace(TWO, url=ONE.url))
    two = await add_node(store, TWO)
    with pytest.raises(NodeTaken):
        await update_node(store, replace(two, url=one.url))
    assert await nodes_in(store) == [one, two]


@pytest.mark.parametrize("url", ["http://localhost:8000", "http://[::ffff:127.0.0.1]:8000", "http://[0:0::1]:8000/v1"])
async def test_an_address_in_another_spelling_is_the_same(store: Store, url: str):
    one = await add_node(store, replace(ONE, url="http://127.0.0.1:8000"))
    with pytest.raises(NodeTaken, match=r"at http://127.0.0.1:8000"):
        await add_node(store, replace(TWO, url=url))
    assert await update_node(store, replace(one, url=url)), "its own"


async def test_a_node_is_changed_but_for_when_it_was_added(store: Store):
    one = await add_node(store, ONE)
    changed = replace(TWO, id=one.id, kind=None, created_at=NOON + 5)
    assert await update_node(store, changed)
    assert await nodes_in(store) == [replace(changed, created_at=NOON)]
    assert not await update_node(store, replace(ONE, id=99))


async def test_an_id_is_never_given_out_twice(store: Store):
    one = await add_node(store, ONE)
    assert await remove_node(store, one.id)
    assert not await remove_node(store, one.id)
    assert (await add_node(store, ONE)).id == one.id + 1


async def test_of_several_that_add_the_same_at_once_one_succeeds(store: Store):
    results = await asyncio.gather(*(add_node(store, ONE) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(result, Node) for result in results) == 1
    assert sum(isinstance(result, NodeTaken) for result in results) == 7
    assert len(await nodes_in(store)) == 1


async def test_a_kind_of_a_later_version_is_none(store: Store):
    one = await add_node(store, ONE)
    await run_sql(store, "UPDATE nodes SET kind = 'agent'")
    assert await nodes_in(store) == [replace(one, kind=None)]


async def test_there_is_a_bound(store: Store):
    for number in range(MAX_NODES):
        await run_sql(
            store,
            "INSERT INTO nodes (id, name, url, credential, weight, is_drained, created_at) "
            f"VALUES ({number + 10}, 'n{number}', 'u{number}', '', 1, false, 0)",
        )
    with pytest.raises(TooManyNodes):
        await add_node(store, ONE)
