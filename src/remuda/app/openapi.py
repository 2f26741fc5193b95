"""The OpenAPI document: FastAPI's, with the lane's routes, our schemas, our errors and what each route needs."""

from typing import Any, Final

import msgspec
from fastapi import FastAPI

from remuda.dialects.console import routes as console
from remuda.dialects.control import routes as control
from remuda.dialects.kit.access import Policy
from remuda.dialects.kit.documents import json_of, schemas
from remuda.dialects.openai import documents as openai
from remuda.dialects.openai.schemas import ErrorBody

DESCRIPTION: Final = (
    "One door to all the language-model servers you own: a gateway and control plane in front of a fleet of "
    "llama.cpp, Ollama and OpenAI-compatible servers."
)
SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key: `Authorization: Bearer <key>`."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
}
TAGS: Final = (
    {"name": "openai", "description": "Inference and models, as OpenAI's clients speak. `/v2` is the same as `/v1`."},
    {"name": "control", "description": "For those who watch over the gateway."},
    {"name": "console", "description": "For people."},
)


def encoded(app: FastAPI, policy: Policy) -> bytes:
    """The document as it is served."""
    return msgspec.json.encode(document(app, policy))


def document(app: FastAPI, policy: Policy) -> dict[str, Any]:
    """The whole document."""
    made = app.openapi()
    made["servers"] = [{"url": "/", "description": "This gateway"}]
    made["tags"] = list(TAGS)
    components = made.setdefault("components", {})
    ours = schemas((*openai.SCHEMAS, *control.SCHEMAS, *console.SCHEMAS))
    components["schemas"] = dict(sorted(ours.items()))
    components["securitySchemes"] = SCHEMES
    components["responses"] = {"Refused": {"description": "Refused, and why.", "content": json_of(ErrorBody)}}
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            # Invalid input is a 400 in the owner's shape here (C13), not FastAPI's 422.
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {"$ref": "#/components/responses/Refused"}
            needed = policy.need(method.upper(), path)
            operation["security"] = [] if needed.scope is None else [{name: []} for name in SCHEMES]
    return made
