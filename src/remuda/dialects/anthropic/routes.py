"""Anthropic's ordinary routes: the lane's as ASGI sees them, and a clear word for what is not offered."""

from typing import Final

from fastapi import APIRouter, Request, Response

from remuda.core.faults import NotOffered
from remuda.core.keys import Scope
from remuda.dialects.anthropic.documents import LANE
from remuda.dialects.anthropic.face import MESSAGES, NAME
from remuda.dialects.kit.access import Access, Rule
from remuda.dialects.kit.lane_routes import add_lane_route
from remuda.dialects.kit.plain import PlainRoute

PATHS: Final = (MESSAGES,)
"""What is Anthropic's under `/v1`, which other dialects share."""
RULES: Final = tuple(
    Rule(path, Access(Scope.INFERENCE, also=Scope.READ), methods=None) for path in (MESSAGES, MESSAGES + "/*")
)
"""Nothing under these paths manages anything."""
METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")
_BATCHES: Final = "Anthropic's batches: send the requests themselves, they are queued fairly"


def router() -> APIRouter:
    """All of Anthropic's paths but what the lane answers."""
    routes = APIRouter(tags=[NAME], default_response_class=Response)
    for path, described in LANE.items():
        add_lane_route(routes, path, described)
    for path in (f"{MESSAGES}/batches", f"{MESSAGES}/batches/{{rest:path}}"):
        _add_not_offered(routes, path, _BATCHES)
    return routes


def _add_not_offered(routes: APIRouter, path: str, words: str) -> None:
    async def not_offered(request: Request) -> Response:
        raise NotOffered(f"this gateway does not offer {words}")

    routes.routes.append(PlainRoute(path, not_offered, methods=METHODS, dialect=NAME, summary="Not offered"))
