"""All routes as a collection for Postman, made from the OpenAPI document.

Source: Postman's collection format, v2.1.0.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from remuda.app import openapi
from remuda.app.asgi import bare_parts, inner_app, policy

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
BASE_URL = "http://localhost:7368"
DEPTH = 6
"""How far an example of a body follows its schema."""
HELLO = {"model": "remuda-tiny", "messages": [{"role": "user", "content": "Hello!"}]}
PROMPT = {"model": "remuda-tiny", "prompt": "Once upon a time"}
INPUT = {"model": "remuda-tiny-embed", "input": "Hello!"}
EXAMPLES: dict[str, Any] = {
    "/proxy/v1/chat/completions": {**HELLO, "temperature": 0.7, "max_tokens": 100},
    "/v1/chat/completions": HELLO,
    "/v1/completions": PROMPT,
    "/v1/embeddings": INPUT,
    "/v1/responses": {"model": "remuda-tiny", "input": "Hello!"},
    "/v1/messages": {**HELLO, "max_tokens": 100},
    "/v1/messages/count_tokens": HELLO,
    "/api/chat": HELLO,
    "/api/generate": PROMPT,
    "/api/embed": INPUT,
    "/api/embeddings": {"model": "remuda-tiny-embed", "prompt": "Hello!"},
    "/generate": {"prompt": "Once upon a time"},
}
"""Bodies that a gateway with the tiny models answers; others are the least that their schemas take."""
NAMES = {"/api/analytics/performance": "Get Performance Analytics"}
"""What document S3 calls requests in its own collection."""


def collection(version: str) -> dict[str, Any]:
    """The collection: a folder for each dialect."""
    document = openapi.document(inner_app(bare_parts(version)), policy())
    folders: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        if path.startswith("/v2/"):
            continue  # the same as /v1
        for method, operation in methods.items():
            folders.setdefault(operation["tags"][0], []).append(_item(document, path, method, operation))
    said = {tag["name"]: tag["description"] for tag in document["tags"]}
    return {
        "info": {
            "name": "Remuda API",
            "description": "Set `base_url` to where the gateway is, and `api_key` once there are keys.",
            "schema": SCHEMA,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{api_key}}", "type": "string"}]},
        "item": [
            {
                "name": name,
                "description": said[name],
                "item": sorted(folders[name], key=lambda item: item["request"]["url"]["raw"]),
            }
            for name in said
        ],
        "variable": [{"key": "base_url", "value": BASE_URL}, {"key": "api_key", "value": ""}],
    }


def collection_text(version: str) -> str:
    """The file."""
    return json.dumps(collection(version), indent=2, ensure_ascii=False) + "\n"


def _item(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    parameters = operation.get("parameters", [])
    request: dict[str, Any] = {"method": method.upper(), "header": [], "url": _url(path, parameters)}
    if content := operation.get("requestBody", {}).get("content", {}):
        kind, body = _body(document, path, content)
        request["header"] = [{"key": "Content-Type", "value": kind}]
        request["body"] = body
    return {"name": NAMES.get(path, operation["summary"]), "request": request}


def _url(path: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """`{id}` in a path is `:id` here; what may stand in the query is there, switched off."""
    words = re.sub(r"\{(\w+)(?::path)?\}", r":\1", path)
    url: dict[str, Any] = {
        "raw": "{{base_url}}" + words,
        "host": ["{{base_url}}"],
        "path": words.strip("/").split("/"),
    }
    if query := [_parameter(each) | {"disabled": True} for each in parameters if each["in"] == "query"]:
        url["query"] = query
    if variables := [{"key": name, "value": ""} for name in re.findall(r":(\w+)", words)]:
        url["variable"] = variables
    return url


def _parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    made = {"key": parameter["name"], "value": ""}
    return made | ({"description": parameter["description"]} if "description" in parameter else {})


def _body(document: dict[str, Any], path: str, content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if "application/json" in content:
        schema = content["application/json"].get("schema", {})
        example = EXAMPLES.get(path) or _example(document, schema, DEPTH)
        text = json.dumps(example, indent=2)
        return "application/json", {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}
    kind, described = next(iter(content.items()))
    fields = list(_fields(document, described.get("schema", {})))
    if kind == "multipart/form-data":
        return kind, {"mode": "formdata", "formdata": [{**field, "type": "text"} for field in fields]}
    if kind == "application/x-www-form-urlencoded":
        return kind, {"mode": "urlencoded", "urlencoded": fields}
    return kind, {"mode": "raw", "raw": ""}


def _fields(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, str]]:
    for name in _resolved(document, schema).get("properties", {}):
        yield {"key": name, "value": ""}


def _example(document: dict[str, Any], schema: dict[str, Any], depth: int) -> Any:
    """The least that the schema takes: what it requires, by its kind."""
    schema = _resolved(document, schema)
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    for choices in ("allOf", "anyOf", "oneOf"):
        if choices in schema:
            return _example(document, schema[choices][0], depth)
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            wanted = schema.get("required", []) if depth else []
            return {name: _example(document, fields.get(name, {}), depth - 1) for name in wanted}
        case "array":
            return [_example(document, schema.get("items", {}), depth - 1)] if depth else []
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case "string":
            return "string"
    return {}


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema
