"""The lane's routes as the OpenAPI document shows them."""

from typing import Any, Final, NamedTuple

from remuda.dialects.kit.documents import json_object, json_of
from remuda.dialects.ollama import schemas

SCHEMAS: Final = (
    schemas.OllamaChat,
    schemas.OllamaGenerate,
    schemas.OllamaEmbed,
    schemas.OllamaEmbeddings,
    schemas.OllamaShow,
    schemas.OllamaModels,
    schemas.OllamaRunning,
    schemas.OllamaShown,
    schemas.OllamaVersion,
    schemas.OllamaError,
)


class Described(NamedTuple):
    """One route in words."""

    summary: str
    description: str
    body: type
    answer: str
    is_streamable: bool = True


_LINES: Final = "Lines of JSON, the last with `done: true`; with `stream: false` one object."

LANE: Final = {
    "/api/chat": Described(
        "Answer a chat",
        "The next message of a conversation, with tools, pictures and structured output where the model has them. "
        "Without messages the model is loaded.",
        schemas.OllamaChat,
        _LINES,
    ),
    "/api/generate": Described(
        "Answer a prompt",
        "The answer to a prompt, through the model's chat template or, with `raw`, without it. Without a prompt the "
        "model is loaded.",
        schemas.OllamaGenerate,
        _LINES,
    ),
    "/api/embed": Described(
        "Embed texts", "One vector for each text.", schemas.OllamaEmbed, "The vectors.", is_streamable=False
    ),
    "/api/embeddings": Described(
        "Embed a text",
        "The older form: one vector for a text, a list of them for a list.",
        schemas.OllamaEmbeddings,
        "The vector.",
        is_streamable=False,
    ),
}


def lane_document(path: str) -> dict[str, Any]:
    """What the OpenAPI document says of the route at `path` beyond its name."""
    described = LANE[path]
    lines = {"application/x-ndjson": {"schema": {"type": "string"}}}
    content = json_object() | (lines if described.is_streamable else {})
    return {
        "requestBody": {"required": True, "content": json_of(described.body)},
        "responses": {"200": {"description": described.answer, "content": content}},
    }
