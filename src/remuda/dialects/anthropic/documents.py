"""The lane's routes as the OpenAPI document shows them."""

from typing import Final

from remuda.dialects.anthropic import schemas
from remuda.dialects.anthropic.face import COUNT, MESSAGES
from remuda.dialects.kit.documents import Described, event_stream

SCHEMAS: Final = (
    schemas.AnthropicMessages,
    schemas.AnthropicCount,
    schemas.AnthropicAnswer,
    schemas.AnthropicTokens,
    schemas.AnthropicError,
)

LANE: Final = {
    MESSAGES: Described(
        "Answer a conversation",
        "The next message of a conversation, with tools, pictures and thinking where the model has them.",
        schemas.AnthropicMessages,
        "The message; with `stream`, its named events as server-sent events.",
        event_stream(),
    ),
    COUNT: Described(
        "Count a conversation's tokens",
        "How many tokens the prompt of a conversation has, exactly, where the model's engine can tell.",
        schemas.AnthropicCount,
        "Their number.",
    ),
}
