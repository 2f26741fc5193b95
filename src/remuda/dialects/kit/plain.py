"""Routes of which FastAPI need know nothing."""

from collections.abc import Awaitable, Callable, Collection

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope


class PlainRoute(Route):
    """A route without parameters to validate and without a place in the OpenAPI document; made 20 times as fast."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        *,
        methods: Collection[str],
        dialect: str,
        summary: str,
    ) -> None:
        super().__init__(path, endpoint, methods=list(methods), include_in_schema=False)
        self.tags = [dialect]
        """The dialect it belongs to, where FastAPI's routes have it too."""
        self.summary = summary

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any route, and it says which one it is, as FastAPI's do."""
        match, child = super().matches(scope)
        if match is not Match.NONE:
            child["route"] = self
        return match, child
