"""Routes with what the OpenAPI document says of them."""

from typing import Any, Final

import msgspec
from fastapi import APIRouter, Response

from remuda.dialects.kit.documents import json_of

ID: Final = {"name": "node_id", "in": "path", "required": True, "schema": {"type": "integer"}}


def query(name: str, what: str) -> dict[str, Any]:
    """A parameter in the query."""
    return {"name": name, "in": "query", "required": False, "description": what, "schema": {"type": "string"}}


def add(
    routes: APIRouter,
    path: str,
    endpoint: Any,
    summary: str,
    answer: type | None,
    said: str = "As asked.",
    *,
    method: str = "GET",
    body: type | None = None,
    parameters: list[dict[str, Any]] | None = None,
    status: int = 200,
) -> None:
    """One route; `answer` is what it answers with, a text where None."""
    extra: dict[str, Any] = {"parameters": parameters} if parameters else {}
    if body is not None:
        extra["requestBody"] = {"required": True, "content": json_of(body)}
    content = json_of(answer) if answer is not None else {"text/plain": {"schema": {"type": "string"}}}
    described = {"description": said} | ({} if status == 204 else {"content": content})
    routes.add_api_route(
        path,
        endpoint,
        methods=[method],
        status_code=status,
        summary=summary,
        operation_id=f"{method.lower()}{path.replace('/', '_').replace('-', '_').replace('{', '').replace('}', '')}",
        responses={status: described},
        openapi_extra=extra or None,
    )


def json_answer(value: Any, status: int = 200) -> Response:
    """`value` in JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")
