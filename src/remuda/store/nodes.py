"""Servers elsewhere that were added while the gateway was in use."""

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from remuda.core.address import place_of
from remuda.core.node import Node, NodeKind
from remuda.store.database import Store, raise_counter, raise_revision, read_revision
from remuda.store.errors import StoreError
from remuda.store.schema import nodes

MAX_NODES: Final = 1000
_KINDS: Final = frozenset(NodeKind)
_COUNTER: Final = "node"


class NodeTaken(StoreError):
    """There is a node of that name or at that address already."""


class TooManyNodes(StoreError):
    """There are as many nodes as are kept."""


async def add_node(store: Store, node: Node) -> Node:
    """Keep `node` under an id of its own, which it comes back with.

    Raises NodeTaken, TooManyNodes, StoreRefused, StoreUnavailable.
    """

    def work(connection: Connection) -> Node:
        number = raise_counter(connection, _COUNTER)  # first: whoever adds another at the same time waits for us
        _check_free(connection, node)
        if connection.execute(select(func.count()).select_from(nodes)).scalar_one() >= MAX_NODES:
            raise TooManyNodes(f"there are {MAX_NODES} nodes already")
        connection.execute(insert(nodes).values(id=number, created_at=node.created_at, **_columns(node)))
        raise_revision(connection)
        return replace(node, id=number)

    return await store.write(work)


async def list_nodes(store: Store) -> tuple[int, list[Node]]:
    """The revision, and all nodes as they were at that revision (or newer), by id."""

    def work(connection: Connection) -> tuple[int, list[Node]]:
        # The revision first, as `store.keys.usable_keys` explains.
        revision = read_revision(connection)
        return revision, [_node_from(row) for row in connection.execute(select(nodes).order_by(nodes.c.id))]

    return await store.read(work)


async def update_node(store: Store, node: Node) -> bool:
    """Keep `node` in place of the one with its id; False where there is none. What cannot change is `created_at`.

    Raises NodeTaken, StoreRefused, StoreUnavailable.
    """

    def work(connection: Connection) -> bool:
        _check_free(connection, node)
        changing = update(nodes).where(nodes.c.id == node.id).values(**_columns(node))
        if connection.execute(changing).rowcount == 0:
            return False
        raise_revision(connection)
        return True

    return await store.write(work)


async def remove_node(store: Store, node_id: int) -> bool:
    """Forget the node; False where there is none. Its id is not given out again."""

    def work(connection: Connection) -> bool:
        if connection.execute(delete(nodes).where(nodes.c.id == node_id)).rowcount == 0:
            return False
        raise_revision(connection)
        return True

    return await store.write(work)


def _check_free(connection: Connection, node: Node) -> None:
    place = place_of(node.url)
    for other in connection.execute(select(nodes.c.name, nodes.c.url).where(nodes.c.id != node.id)):
        if place_of(other.url) == place:
            raise NodeTaken(f"there is a node at {other.url} already")
        if other.name == node.name:
            raise NodeTaken(f"there is a node called {node.name!r} already")


def _columns(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "url": node.url,
        "kind": node.kind,
        "credential": node.credential,
        "slots": node.slots,
        "weight": node.weight,
        "is_drained": node.is_drained,
    }


def _node_from(row: Row[Any]) -> Node:
    fields = row._mapping
    return Node(
        id=fields["id"],
        name=fields["name"],
        url=fields["url"],
        # A kind that this version does not know is found out like that of a node without one.
        kind=NodeKind(fields["kind"]) if fields["kind"] in _KINDS else None,
        credential=fields["credential"],
        slots=fields["slots"],
        weight=fields["weight"],
        is_drained=fields["is_drained"],
        created_at=fields["created_at"],
    )
