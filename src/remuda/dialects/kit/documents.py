"""Routes as the OpenAPI document shows them. Schemas come from the structs that decode and encode."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

REF = "#/components/schemas/{name}"


class Described(NamedTuple):
    """One route of the lane in words."""

    summary: str
    description: str
    body: type
    """The struct that its body is read into."""
    answer: str
    streamed: dict[str, Any] | None = None
    """The content of an answer that comes piece by piece, beside the one that comes whole; None: it never does."""


def schemas(structs: Iterable[type]) -> dict[str, Any]:
    """`components.schemas` for `structs` and all they hold."""
    _, components = msgspec.json.schema_components(tuple(structs), ref_template=REF)
    return components


def json_of(struct: type) -> dict[str, Any]:
    """Content in JSON, as `struct` has it."""
    return {"application/json": {"schema": {"$ref": REF.format(name=struct.__name__)}}}


def json_object() -> dict[str, Any]:
    """Content in JSON whose fields the engine decides."""
    return {"application/json": {"schema": {"type": "object", "additionalProperties": True}}}


def body_of(content: dict[str, Any]) -> dict[str, Any]:
    """A request that cannot do without a body of this content, as FastAPI's `openapi_extra`."""
    return {"requestBody": {"required": True, "content": content}}


def file() -> dict[str, Any]:
    """Content that is the bytes of a file."""
    return {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def event_stream() -> dict[str, Any]:
    """Content as server-sent events."""
    return {"text/event-stream": {"schema": {"type": "string"}}}


def lines() -> dict[str, Any]:
    """Content as lines of JSON."""
    return {"application/x-ndjson": {"schema": {"type": "string"}}}


def lane_document(described: Described) -> dict[str, Any]:
    """What the OpenAPI document says of a route of the lane beyond its name."""
    content = json_object() | (described.streamed or {})
    return body_of(json_of(described.body)) | {
        "responses": {"200": {"description": described.answer, "content": content}}
    }
