"""The OpenAPI document: FastAPI's, with the lane's routes, our schemas, our errors and what each route needs."""

from typing import Any, Final

import msgspec
from fastapi import FastAPI

from remuda.dialects.anthropic import documents as anthropic
from remuda.dialects.anthropic.face import NAME as ANTHROPIC
from remuda.dialects.anthropic.schemas import AnthropicError
from remuda.dialects.console import routes as console
from remuda.dialects.control import routes as control
from remuda.dialects.kit.access import Policy
from remuda.dialects.kit.documents import json_of, schemas
from remuda.dialects.manage import schemas as manage
from remuda.dialects.manage.errors import RefusedByManage
from remuda.dialects.manage.monitoring import NAME as MANAGE
from remuda.dialects.nodes import account
from remuda.dialects.nodes import schemas as nodes
from remuda.dialects.nodes.routes import NAME as NODES
from remuda.dialects.observe import routes as observe
from remuda.dialects.observe.parts import NAME as OBSERVE
from remuda.dialects.observe.parts import RefusedObservation
from remuda.dialects.ollama import documents as ollama
from remuda.dialects.ollama.face import NAME as OLLAMA
from remuda.dialects.ollama.schemas import OllamaError
from remuda.dialects.openai import documents as openai
from remuda.dialects.openai.schemas import ErrorBody
from remuda.dialects.tasks import routes as tasks
from remuda.dialects.tasks import working
from remuda.dialects.tasks.asks import NAME as TASKS
from remuda.dialects.tasks.schemas import RefusedTask

VERSION: Final = "3.0.3"
"""What document S1 promises (row 77), and what most generators of clients read."""
DESCRIPTION: Final = (
    "One door to all the language-model servers you own: a gateway and control plane in front of a fleet of "
    "llama.cpp, Ollama and OpenAI-compatible servers."
)
NULL: Final = {"type": "null"}
UNSAYABLE: Final = "propertyNames"
"""A bound on the names of a map's entries, for which OpenAPI 3.0 has no words."""
SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or a user's access token."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
}
TAGS: Final = (
    {"name": "openai", "description": "Inference and models, as OpenAI's clients speak. `/v2` is the same as `/v1`."},
    {
        "name": "anthropic",
        "description": "Inference, as Anthropic's clients speak. `/v1/models` answers so to those that send "
        "`anthropic-version`.",
    },
    {"name": "ollama", "description": "Inference and models, as Ollama's clients speak."},
    {"name": "nodes", "description": "The pool of nodes, how it stands, and who gets a request."},
    {"name": "tasks", "description": "Prompts that are accepted now and answered later."},
    {"name": "manage", "description": "How the machine and the gateway do."},
    {"name": "observe", "description": "What the journal tells: who used what, how fast and at what cost."},
    {"name": "control", "description": "For those who watch over the gateway."},
    {"name": "console", "description": "For people."},
)


_REFUSED: Final = {
    ANTHROPIC: "RefusedByAnthropic",
    OLLAMA: "RefusedByOllama",
    NODES: "RefusedByNodes",
    TASKS: "RefusedByTasks",
    OBSERVE: "RefusedByObserve",
    MANAGE: "RefusedByManage",
}
"""Who says no in words of their own."""


def encoded(app: FastAPI, policy: Policy) -> bytes:
    """The document as it is served."""
    return msgspec.json.encode(document(app, policy))


def document(app: FastAPI, policy: Policy) -> dict[str, Any]:
    """The whole document."""
    made = app.openapi()
    made["openapi"] = VERSION
    made["servers"] = [{"url": "/", "description": "This gateway"}]
    made["tags"] = list(TAGS)
    components = made.setdefault("components", {})
    ours = schemas(
        (
            *openai.SCHEMAS,
            *ollama.SCHEMAS,
            *control.SCHEMAS,
            *console.SCHEMAS,
            *nodes.SCHEMAS,
            *account.SCHEMAS,
            *anthropic.SCHEMAS,
            *tasks.SCHEMAS,
            *working.SCHEMAS,
            *observe.SCHEMAS,
            *manage.SCHEMAS,
            RefusedByManage,
        )
    )
    components["schemas"] = dict(sorted(ours.items()))
    components["securitySchemes"] = SCHEMES
    components["responses"] = {
        name: {"description": "Refused, and why.", "content": json_of(body)}
        for name, body in (
            ("Refused", ErrorBody),
            ("RefusedByOllama", OllamaError),
            ("RefusedByAnthropic", AnthropicError),
            ("RefusedByNodes", nodes.Refused),
            ("RefusedByTasks", RefusedTask),
            ("RefusedByObserve", RefusedObservation),
            ("RefusedByManage", RefusedByManage),
        )
    }
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            # Invalid input is a 400 in the owner's shape here (C13), not FastAPI's 422.
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {"$ref": f"#/components/responses/{_refusal(path, operation)}"}
            needed = policy.need(method.upper(), path)
            operation["security"] = [] if needed.scope is None else [{name: []} for name in SCHEMES]
    whole: dict[str, Any] = as_3_0(made)
    return whole


def _refusal(path: str, operation: dict[str, Any]) -> str:
    """The name of what is answered where the operation goes wrong: the words of its dialect, or of its prefix."""
    otherwise = _REFUSED[OLLAMA] if path.startswith("/api/") else "Refused"
    return next((_REFUSED[tag] for tag in operation.get("tags", ()) if tag in _REFUSED), otherwise)


def as_3_0(schema: Any) -> Any:
    """`schema`, or a document with schemas in it, in the words of OpenAPI 3.0, which knows no `null` type.

    Covers what our structs and parameters come to: optional values, and lists of required fields that may be empty.
    """
    if isinstance(schema, list):
        return [as_3_0(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: value for name, value in schema.items() if name != UNSAYABLE and (name, value) != ("required", [])}
    made = {name: as_3_0(value) for name, value in kept.items()}
    kinds = made.get("anyOf")
    if not isinstance(kinds, list) or NULL not in kinds:
        return made
    kinds = [kind for kind in kinds if kind != NULL]
    if "$ref" in kinds[0]:  # nothing may stand beside a reference, and `nullable` only beside a type
        kinds[0] = {"type": "object", "allOf": [kinds[0]]}
    kinds[0] = {**kinds[0], "nullable": True}
    del made["anyOf"]
    return {**made, "anyOf": kinds} if len(kinds) > 1 else {**made, **kinds[0]}
