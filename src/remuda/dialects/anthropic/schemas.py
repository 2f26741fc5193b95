"""What Anthropic's clients send (API reference, "Messages"), as far as it can be told to an engine."""

from typing import Any, Literal

import msgspec


class AnthropicMessage(msgspec.Struct):
    """One message of a conversation."""

    role: Literal["user", "assistant", "system"]
    content: str | list[dict[str, Any]]


class AnthropicTool(msgspec.Struct):
    """A tool; those with another type than `custom` are run by Anthropic itself."""

    name: str
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None


class AnthropicToolChoice(msgspec.Struct):
    """Which tool is to be called."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class AnthropicThinking(msgspec.Struct):
    """Whether the model is to think first."""

    type: str
    budget_tokens: int | None = None


class AnthropicMessages(msgspec.Struct):
    """`POST /v1/messages`."""

    model: str
    messages: list[AnthropicMessage]
    max_tokens: int
    system: str | list[dict[str, Any]] | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    tools: list[AnthropicTool] | None = None
    tool_choice: AnthropicToolChoice | None = None
    thinking: AnthropicThinking | None = None


class AnthropicErrorDetail(msgspec.Struct):
    """What went wrong."""

    type: str
    message: str


class AnthropicError(msgspec.Struct):
    """An error."""

    error: AnthropicErrorDetail
    request_id: str
    type: Literal["error"] = "error"
