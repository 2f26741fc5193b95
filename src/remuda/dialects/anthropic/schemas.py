"""What Anthropic's API takes and gives (its API reference: "Messages", "Count tokens in a Message", "Models").

Fields that are not here are taken, and have no effect (`service_tier`, `cache_control` ...). Values that
are handed on as they came (schemas, the inputs of tools) stay in the bytes they came in.
"""

from typing import Any, Final, Literal

import msgspec

EMPTY_OBJECT: Final = msgspec.Raw(b"{}")
ANY_OBJECT: Final = msgspec.Raw(b'{"type":"object","properties":{}}')
# Handed out by factories: as plain defaults they would stand in the OpenAPI document, which cannot write them.


class AnthropicBase64(msgspec.Struct, tag_field="type", tag="base64"):
    """A picture inside the request."""

    media_type: str
    data: str


class AnthropicUrl(msgspec.Struct, tag_field="type", tag="url"):
    """A picture that the model's server is to fetch."""

    url: str


class AnthropicText(msgspec.Struct, tag_field="type", tag="text"):
    """Text."""

    text: str


class AnthropicImage(msgspec.Struct, tag_field="type", tag="image"):
    """A picture."""

    source: AnthropicBase64 | AnthropicUrl


class AnthropicPlainText(msgspec.Struct, tag_field="type", tag="text"):
    """A document that is plain text."""

    data: str


class AnthropicContent(msgspec.Struct, tag_field="type", tag="content"):
    """A document that is made of blocks."""

    content: str | list[AnthropicText | AnthropicImage]


class AnthropicDocument(msgspec.Struct, tag_field="type", tag="document"):
    """A document; what no chat template has words for (PDF, files kept elsewhere) is refused."""

    source: AnthropicPlainText | AnthropicContent
    title: str | None = None
    context: str | None = None
    """What the client has to say about it."""


class AnthropicThinkingBlock(msgspec.Struct, tag_field="type", tag="thinking"):
    """What the model thought before."""

    thinking: str
    signature: str = ""
    """Taken whatever it is."""


class AnthropicRedactedThinking(msgspec.Struct, tag_field="type", tag="redacted_thinking"):
    """Thoughts that only Anthropic could read: left out."""


class AnthropicToolUse(msgspec.Struct, tag_field="type", tag="tool_use"):
    """A call of a tool."""

    id: str
    name: str
    input: msgspec.Raw = msgspec.field(default_factory=lambda: EMPTY_OBJECT)
    """An object."""


class AnthropicToolResult(msgspec.Struct, tag_field="type", tag="tool_result"):
    """What a tool answered."""

    tool_use_id: str
    content: str | list[AnthropicText | AnthropicImage | AnthropicDocument] | None = None
    is_error: bool | None = None


AnthropicBlock = (
    AnthropicText
    | AnthropicImage
    | AnthropicDocument
    | AnthropicThinkingBlock
    | AnthropicRedactedThinking
    | AnthropicToolUse
    | AnthropicToolResult
)


class AnthropicMessage(msgspec.Struct):
    """One message of a conversation."""

    role: Literal["user", "assistant", "system"]
    content: str | list[AnthropicBlock]


class AnthropicTool(msgspec.Struct):
    """A tool of the client's own."""

    name: str = ""
    type: str | None = None
    """`custom`; tools of other types are run, or known, by Anthropic alone, and refused."""
    description: str | None = None
    input_schema: msgspec.Raw = msgspec.field(default_factory=lambda: ANY_OBJECT)
    strict: bool | None = None


class AnthropicToolChoice(msgspec.Struct):
    """Which tool is to be called."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class AnthropicThinking(msgspec.Struct):
    """Whether the model is to think first."""

    type: Literal["enabled", "adaptive", "disabled"]
    budget_tokens: int | None = None


class AnthropicFormat(msgspec.Struct):
    """What the answer is to look like."""

    type: Literal["json_schema"]
    schema: msgspec.Raw


class AnthropicOutput(msgspec.Struct):
    """`output_config`."""

    effort: str | None = None
    """How hard the model is to think: `low`, `medium`, `high`, `max`."""
    format: AnthropicFormat | None = None


class AnthropicCount(msgspec.Struct, kw_only=True):
    """`POST /v1/messages/count_tokens`: what makes up a prompt."""

    model: str
    messages: list[AnthropicMessage]
    system: str | list[AnthropicText] | None = None
    tools: list[AnthropicTool] | None = None
    tool_choice: AnthropicToolChoice | None = None
    thinking: AnthropicThinking | None = None
    output_config: AnthropicOutput | None = None
    mcp_servers: list[Any] | None = None
    """Refused: no server is called here."""
    node_id: Any = None
    """Refused: which server answers is the gateway's choice."""


class AnthropicMetadata(msgspec.Struct):
    """`metadata`."""

    user_id: str | None = None


class AnthropicMessages(AnthropicCount, kw_only=True):
    """`POST /v1/messages`."""

    max_tokens: int
    metadata: AnthropicMetadata | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None


class AnthropicUsage(msgspec.Struct):
    """Tokens; those of the prompt that the engine still had are counted apart."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0


class AnthropicAnswer(msgspec.Struct, kw_only=True):
    """An answer."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[Any]
    """Blocks: `thinking`, `text`, `tool_use`."""
    stop_reason: str | None
    stop_sequence: str | None
    usage: AnthropicUsage


class AnthropicTokens(msgspec.Struct):
    """How many tokens a prompt has."""

    input_tokens: int


class AnthropicErrorDetail(msgspec.Struct):
    """What went wrong."""

    type: str
    message: str


class AnthropicError(msgspec.Struct):
    """An error."""

    error: AnthropicErrorDetail
    request_id: str
    type: Literal["error"] = "error"
