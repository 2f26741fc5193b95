"""Anthropic's ordinary routes: the lane's as ASGI sees it, and a clear word for what is not offered."""

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from remuda.core.faults import InvalidRequest, NotOffered
from remuda.dialects.anthropic.face import MESSAGES, NAME
from remuda.dialects.anthropic.schemas import AnthropicError, AnthropicMessages
from remuda.dialects.kit.documents import event_stream, json_object, json_of
from remuda.dialects.kit.plain import PlainRoute

SCHEMAS: Final = (AnthropicMessages, AnthropicError)
PATHS: Final = (MESSAGES,)
"""What is Anthropic's under `/v1`, which other dialects share."""
METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")
_NOT_OFFERED: Final = {
    f"{MESSAGES}/count_tokens": "the counting of tokens beforehand: the `usage` of each answer has them",
    f"{MESSAGES}/batches": "Anthropic's batches: send the requests themselves, they are queued fairly",
    f"{MESSAGES}/batches/{{rest:path}}": "Anthropic's batches: send the requests themselves, they are queued fairly",
}


def router() -> APIRouter:
    """All of Anthropic's paths but what the lane answers."""
    routes = APIRouter(tags=[NAME], default_response_class=Response)

    async def came_around() -> Response:
        # The lane compares a path byte by byte as it was sent; this one was sent as a whole URL or with escapes.
        raise InvalidRequest(f"write this address plainly in the request line: POST {MESSAGES}")

    content: dict[str, Any] = json_object() | event_stream()
    routes.add_api_route(
        MESSAGES,
        came_around,
        methods=["POST"],
        summary="Answer a conversation",
        description="The next message of a conversation, with tools, pictures and thinking where the model has them.",
        operation_id="post_v1_messages",
        openapi_extra={
            "requestBody": {"required": True, "content": json_of(AnthropicMessages)},
            "responses": {"200": {"description": "The message, or with `stream` its events.", "content": content}},
        },
    )
    for path, words in _NOT_OFFERED.items():
        _add_not_offered(routes, path, words)
    return routes


def _add_not_offered(routes: APIRouter, path: str, words: str) -> None:
    async def not_offered(request: Request) -> Response:
        raise NotOffered(f"this gateway does not offer {words}")

    routes.routes.append(PlainRoute(path, not_offered, methods=METHODS, dialect=NAME, summary="Not offered"))
