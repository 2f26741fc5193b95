"""The routes of document S4 below `/api/proxy`.

What S4 leaves open to everybody is open here while no key exists; then it needs one, like all else (DESIGN.md 2.5).
"""

from collections.abc import Callable
from typing import Final

from fastapi import APIRouter, Request, Response

from remuda.core.faults import InvalidRequest
from remuda.core.keys import Scope
from remuda.core.moments import iso_time
from remuda.dialects.kit.access import Access, Rule
from remuda.dialects.nodes import changes, pulling, schemas
from remuda.dialects.nodes.described import add, json_answer, query
from remuda.dialects.nodes.herd import Herd, Pulls, Strategy
from remuda.dialects.nodes.members import add_members, node_of
from remuda.dialects.nodes.views import active_requests_of, queues_of, state_of
from remuda.fleet.registry import Fleet

NAME: Final = "nodes"
LOOKING: Final = Access(Scope.READ, also=Scope.INFERENCE)
RULES: Final = (
    Rule("/api/proxy", LOOKING),
    Rule("/api/proxy/state", LOOKING),
    Rule("/api/proxy/active-requests", LOOKING),
)
"""All else needs `read` to look and `manage` to change."""


def router(herd: Herd, pulls: Pulls, strategy: Strategy, fleet: Fleet, monotonic: Callable[[], float]) -> APIRouter:
    """All of them."""
    routes = APIRouter(tags=[NAME], default_response_class=Response)
    _add_views(routes, herd, fleet, monotonic)
    _add_config(routes, strategy)
    add_members(routes, herd)
    pulling.add_pull(routes, herd, pulls)
    return routes


def _add_views(routes: APIRouter, herd: Herd, fleet: Fleet, monotonic: Callable[[], float]) -> None:
    async def running() -> Response:
        if fleet.is_offering:
            return Response("Ollama is running", media_type="text/plain; charset=utf-8")
        return json_answer({"error": "no node is active"}, 503)

    async def state() -> Response:
        return json_answer(state_of(herd.statuses()))

    async def active_requests(request: Request) -> Response:
        asked = request.query_params.get("node_id")
        nodes = herd.statuses() if asked is None else [node_of(herd, asked)]
        return json_answer(active_requests_of(nodes))

    async def queues() -> Response:
        return json_answer(queues_of(fleet, monotonic()))

    add(routes, "/api/proxy", running, "Whether any model can be asked", None, "Ollama's own words for it.")
    add(routes, "/api/proxy/state", state, "How the pool of nodes stands", schemas.PoolState)
    add(
        routes,
        "/api/proxy/active-requests",
        active_requests,
        "What nodes have to do",
        schemas.AllActiveRequests,
        parameters=[query("node_id", "Only this node.")],
    )
    add(routes, "/api/proxy/queue", queues, "Who waits for a free slot, and for how long", schemas.Queues)


def _add_config(routes: APIRouter, strategy: Strategy) -> None:
    async def show() -> Response:
        return json_answer(_config(strategy))

    async def change(request: Request) -> Response:
        sent = changes.decoded(schemas.PoolConfigChange, await request.body())
        if sent.strategy is None and sent.policies is None and request.method == "PUT":
            raise InvalidRequest("This field is required.", parameter="strategy")
        try:
            await strategy.set(sent.strategy, sent.policies)
        except ValueError as error:
            raise InvalidRequest(str(error), parameter="strategy", received=sent.strategy) from None
        return json_answer(_config(strategy))

    path, body = "/api/proxy/config", schemas.PoolConfigChange
    add(routes, path, show, "Who gets a request", schemas.PoolConfig)
    for method in ("PUT", "PATCH"):
        add(routes, path, change, "Change who gets a request", schemas.PoolConfig, method=method, body=body)


def _config(strategy: Strategy) -> schemas.PoolConfig:
    return schemas.PoolConfig(
        id=1, strategy=strategy.policy, updated_at=iso_time(strategy.changed_at), policies=dict(strategy.by_model)
    )
