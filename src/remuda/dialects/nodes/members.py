"""`/api/proxy/nodes`: the nodes one by one. S4 has PUT, PATCH and DELETE on the collection's path, too."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from remuda.core.faults import InvalidRequest, MethodNotAllowed, Taken, UnknownNode
from remuda.dialects.nodes import changes, schemas
from remuda.dialects.nodes.described import ID, add, json_answer, query
from remuda.dialects.nodes.herd import Herd
from remuda.dialects.nodes.views import view_of
from remuda.fleet.node_status import NodeStatus
from remuda.store.nodes import NodeTaken, TooManyNodes

FIRST_ANSWER_S: Final = 3.0
"""How long creating a node waits for its first answer, to say how it stands."""
PAGE: Final = 100
MAX_PAGE: Final = 1000


def add_members(routes: APIRouter, herd: Herd) -> None:
    """The routes."""
    members = Members(herd)
    many, one = "/api/proxy/nodes", "/api/proxy/nodes/{node_id}"
    view, body = schemas.NodeView, schemas.NodeWrite
    pages = [query("limit", "How many, at most 1000."), query("offset", "From which on.")]
    fields = query("fields", "Only these, separated by commas.")
    add(routes, many, members.page, "List the nodes", schemas.NodePage, parameters=[*pages, fields])
    add(routes, many, members.create, "Add a node", view, method="POST", body=body, status=201)
    add(routes, one, members.show, "One node", view, parameters=[ID, fields])
    for path, where in ((one, ID), (many, query("id", "Which node."))):
        for method in ("PUT", "PATCH"):
            add(routes, path, members.change, "Change a node", view, method=method, body=body, parameters=[where])
        add(
            routes,
            path,
            members.delete,
            "Remove a node",
            None,
            "It is gone.",
            method="DELETE",
            parameters=[where],
            status=204,
        )


class Members:
    """Its endpoints."""

    def __init__(self, herd: Herd) -> None:
        self._herd = herd

    async def page(self, request: Request) -> Response:
        """Some of all nodes."""
        if (asked := request.query_params.get("id")) is not None:
            return _trimmed(request, view_of(node_of(self._herd, asked)))
        nodes = self._herd.statuses()
        start = _whole(request, "offset", 0, 0, 10**9)
        size = _whole(request, "limit", PAGE, 1, MAX_PAGE)

        def link(offset: int) -> str:
            return str(request.url.include_query_params(limit=size, offset=offset))

        later = link(start + size) if start + size < len(nodes) else None
        earlier = link(max(0, start - size)) if start else None
        fields = _asked_fields(request)
        results = [_only(fields, view_of(node)) for node in nodes[start : start + size]]
        return json_answer({"count": len(nodes), "next": later, "previous": earlier, "results": results})

    async def create(self, request: Request) -> Response:
        """A new node, and how it stands after it was asked for the first time."""
        sent = changes.decoded(schemas.NodeWrite, await request.body())
        with _refusals():
            node = await changes.add(self._herd, sent)
        status = await self._herd.seen(node.id, FIRST_ANSWER_S)
        if status is None:
            raise UnknownNode
        return json_answer(view_of(status), 201)

    async def show(self, request: Request) -> Response:
        """One node."""
        return _trimmed(request, view_of(self._named(request)))

    async def change(self, request: Request) -> Response:
        """One node, changed; what is not sent stays."""
        sent = changes.decoded(schemas.NodeWrite, await request.body())
        node = _own(self._named(request))
        with _refusals():
            changed = await changes.change(self._herd, node.id, sent, node.url)
        status = self._herd.status(node.id)
        if changed is None or status is None:
            raise UnknownNode
        return json_answer(view_of(status))

    async def delete(self, request: Request) -> Response:
        """One node less."""
        if not await self._herd.remove(_own(self._named(request)).id):
            raise UnknownNode
        return Response(status_code=204)

    def _named(self, request: Request) -> NodeStatus:
        """The node that the path or, as S4 has it, the query names."""
        asked = request.path_params.get("node_id", request.query_params.get("id"))
        if asked is None:
            raise MethodNotAllowed("name the node: /api/proxy/nodes/{id}")
        return node_of(self._herd, asked)


def node_of(herd: Herd, asked: str) -> NodeStatus:
    """The node with the id `asked`; raises InvalidRequest, UnknownNode."""
    try:
        number = int(asked[:20])
    except ValueError:
        raise InvalidRequest(f"{asked[:50]!r} is no id of a node", parameter="node_id", received=asked[:50]) from None
    found = herd.status(number)
    if found is None:
        raise UnknownNode(f"there is no node {number}")
    return found


@contextmanager
def _refusals() -> Iterator[None]:
    """What the store refuses, as a fault."""
    try:
        yield
    except NodeTaken as error:
        raise Taken(str(error)) from None
    except TooManyNodes as error:
        raise InvalidRequest(str(error)) from None


def _own(node: NodeStatus) -> NodeStatus:
    if node.id < 0:
        raise Taken(f"{node.name} is a node of the settings: it is changed there")
    return node


def _whole(request: Request, name: str, default: int, least: int, most: int) -> int:
    asked = request.query_params.get(name)
    if asked is None:
        return default
    if not (asked.isascii() and asked.isdigit()) or not least <= int(asked[:12]) <= most:
        raise InvalidRequest(f"{name} is a number from {least} to {most}", parameter=name, received=asked[:50])
    return int(asked)


def _asked_fields(request: Request) -> set[str] | None:
    asked = request.query_params.get("fields")
    return None if asked is None else {name.strip() for name in asked.split(",")}


def _trimmed(request: Request, view: schemas.NodeView) -> Response:
    return json_answer(_only(_asked_fields(request), view))


def _only(fields: set[str] | None, view: schemas.NodeView) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(view)
    return plain if fields is None else {name: value for name, value in plain.items() if name in fields}
