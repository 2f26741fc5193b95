"""The lane's routes as the OpenAPI document shows them: what is read here is described, the rest passes through."""

from typing import Any, Final, NamedTuple

from remuda.core.ask import Operation
from remuda.dialects.kit.documents import event_stream, json_object, json_of
from remuda.dialects.openai import schemas

SCHEMAS: Final = (
    schemas.ChatBody,
    schemas.CompletionBody,
    schemas.EmbeddingBody,
    schemas.ResponseBody,
    schemas.RerankBody,
    schemas.ModelList,
    schemas.ErrorBody,
)


class Described(NamedTuple):
    """One operation in words."""

    summary: str
    description: str
    body: type
    answer: str
    is_streamable: bool = True


_REST = "All further fields go to the engine unchanged."

OPERATIONS: Final = {
    Operation.CHAT: Described(
        "Answer a chat",
        f"The next message of a conversation, with tools and structured output where the model has them. {_REST}",
        schemas.ChatBody,
        "A chat completion; with `stream`, its chunks as server-sent events that end with `[DONE]`.",
    ),
    Operation.COMPLETION: Described(
        "Continue a text",
        f"The text that follows a prompt, without a chat template. {_REST}",
        schemas.CompletionBody,
        "A text completion; with `stream`, its chunks as server-sent events that end with `[DONE]`.",
    ),
    Operation.EMBEDDING: Described(
        "Embed texts",
        f"One vector for each text, as numbers or as base64. {_REST}",
        schemas.EmbeddingBody,
        "A list of embeddings.",
        is_streamable=False,
    ),
    Operation.RESPONSE: Described(
        "Make a response",
        f"OpenAI's Responses API, without what needs responses to be kept. {_REST}",
        schemas.ResponseBody,
        "A response; with `stream`, its typed events as server-sent events.",
    ),
    Operation.RERANK: Described(
        "Rank documents",
        f"How well each document answers a query, as Jina and Cohere have it. {_REST}",
        schemas.RerankBody,
        "Documents by their relevance.",
        is_streamable=False,
    ),
}


def lane_document(operation: Operation) -> dict[str, Any]:
    """What the OpenAPI document says of `operation` beyond its name."""
    described = OPERATIONS[operation]
    content = json_object() | (event_stream() if described.is_streamable else {})
    return {
        "requestBody": {"required": True, "content": json_of(described.body)},
        "responses": {"200": {"description": described.answer, "content": content}},
    }
