"""The lane's routes as the OpenAPI document shows them."""

from typing import Final

from remuda.dialects.kit.documents import Described, lines
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
    schemas.OllamaPull,
    schemas.OllamaPush,
    schemas.OllamaCreate,
    schemas.OllamaDelete,
    schemas.OllamaCopy,
    schemas.OllamaProgress,
)


_LINES: Final = "Lines of JSON, the last with `done: true`; with `stream: false` one object."

LANE: Final = {
    "/api/chat": Described(
        "Answer a chat",
        "The next message of a conversation, with tools, pictures and structured output where the model has them. "
        "Without messages the model is loaded.",
        schemas.OllamaChat,
        _LINES,
        lines(),
    ),
    "/api/generate": Described(
        "Answer a prompt",
        "The answer to a prompt, through the model's chat template or, with `raw`, without it. Without a prompt the "
        "model is loaded.",
        schemas.OllamaGenerate,
        _LINES,
        lines(),
    ),
    "/api/embed": Described("Embed texts", "One vector for each text.", schemas.OllamaEmbed, "The vectors."),
    "/api/embeddings": Described(
        "Embed a text",
        "The older form: one vector for a text, a list of them for a list.",
        schemas.OllamaEmbeddings,
        "The vector.",
    ),
}
