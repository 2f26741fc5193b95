"""The lane's routes as ASGI sees them."""

from fastapi import APIRouter, Response

from remuda.core.faults import InvalidRequest
from remuda.dialects.kit.documents import Described, lane_document


def add_lane_route(routes: APIRouter, path: str, described: Described) -> None:
    """A lane path as ASGI sees it: described in the document, and 405 to all methods but POST."""

    async def came_around() -> Response:
        # The lane compares a path byte by byte as it was sent; this one was sent as a whole URL or with escapes.
        raise InvalidRequest(f"write this address plainly in the request line: POST {path}")

    routes.add_api_route(
        path,
        came_around,
        methods=["POST"],
        summary=described.summary,
        description=described.description,
        operation_id=operation_id("post", path),
        openapi_extra=lane_document(described),
    )


def operation_id(method: str, path: str) -> str:
    """What the document calls `method` on `path`: `post_v1_chat_completions`."""
    words = path.replace(":path}", "}").replace("{", "").replace("}", "").strip("/").replace("/", "_")
    return f"{method.lower()}_{words}"
