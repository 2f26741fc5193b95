"""Routes as the OpenAPI document shows them. Schemas come from the structs that decode and encode."""

from collections.abc import Iterable
from typing import Any

import msgspec

REF = "#/components/schemas/{name}"


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


def event_stream() -> dict[str, Any]:
    """Content as server-sent events."""
    return {"text/event-stream": {"schema": {"type": "string"}}}
