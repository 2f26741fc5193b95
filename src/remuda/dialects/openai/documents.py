"""The lane's routes as the OpenAPI document shows them: what is read here is described, the rest passes through."""

from typing import Final

from remuda.core.ask import Operation
from remuda.dialects.kit.documents import Described, event_stream
from remuda.dialects.openai import batch_schemas, schemas

SCHEMAS: Final = (
    schemas.ChatBody,
    schemas.CompletionBody,
    schemas.EmbeddingBody,
    schemas.ResponseBody,
    schemas.RerankBody,
    schemas.ModelList,
    schemas.ErrorBody,
    batch_schemas.FileObject,
    batch_schemas.FileList,
    batch_schemas.DeletedFile,
    batch_schemas.NewBatchBody,
    batch_schemas.BatchObject,
    batch_schemas.BatchList,
)


_REST = "All further fields go to the engine unchanged."

OPERATIONS: Final = {
    Operation.CHAT: Described(
        "Answer a chat",
        f"The next message of a conversation, with tools and structured output where the model has them. {_REST}",
        schemas.ChatBody,
        "A chat completion; with `stream`, its chunks as server-sent events that end with `[DONE]`.",
        event_stream(),
    ),
    Operation.COMPLETION: Described(
        "Continue a text",
        f"The text that follows a prompt, without a chat template. {_REST}",
        schemas.CompletionBody,
        "A text completion; with `stream`, its chunks as server-sent events that end with `[DONE]`.",
        event_stream(),
    ),
    Operation.EMBEDDING: Described(
        "Embed texts",
        f"One vector for each text, as numbers or as base64. {_REST}",
        schemas.EmbeddingBody,
        "A list of embeddings.",
    ),
    Operation.RESPONSE: Described(
        "Make a response",
        f"OpenAI's Responses API, without what needs responses to be kept. {_REST}",
        schemas.ResponseBody,
        "A response; with `stream`, its typed events as server-sent events.",
        event_stream(),
    ),
    Operation.RERANK: Described(
        "Rank documents",
        f"How well each document answers a query, as Jina and Cohere have it. {_REST}",
        schemas.RerankBody,
        "Documents by their relevance.",
    ),
}
