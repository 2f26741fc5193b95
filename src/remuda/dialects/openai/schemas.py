"""The few fields of each request that the gateway itself reads (all others pass through to the engine unread), and
what it answers itself."""

from typing import Any, Literal

import msgspec


class StreamOptions(msgspec.Struct):
    """`stream_options`."""

    include_usage: bool | None = None


class InferenceBody(msgspec.Struct):
    """What all inference requests share."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    temperature: float | None = None
    user: str | None = None
    safety_identifier: str | None = None
    node_id: Any = None
    """Refused: which server answers is the gateway's choice."""


class ChatBody(InferenceBody, kw_only=True):
    """`POST /v1/chat/completions`."""

    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    messages: list[msgspec.Raw]


class CompletionBody(InferenceBody, kw_only=True):
    """`POST /v1/completions`."""

    max_tokens: int | None = None
    prompt: msgspec.Raw


class EmbeddingBody(msgspec.Struct, kw_only=True):
    """`POST /v1/embeddings`: text, texts, tokens, or lists of tokens."""

    model: str
    input: str | list[str | int | list[int]]
    encoding_format: str | None = None
    node_id: Any = None
    """Refused: which server answers is the gateway's choice."""


class ResponseBody(InferenceBody, kw_only=True):
    """`POST /v1/responses`."""

    max_output_tokens: int | None = None
    input: msgspec.Raw


class RerankBody(msgspec.Struct, kw_only=True):
    """`POST /v1/rerank`, as Jina and Cohere have it."""

    model: str
    query: str
    documents: list[msgspec.Raw]
    node_id: Any = None
    """Refused: which server answers is the gateway's choice."""


class ModelDetails(msgspec.Struct, omit_defaults=True):
    """What a model is made of, in Ollama's fields."""

    format: str = ""
    family: str = ""
    families: list[str] = msgspec.field(default_factory=list)
    parameter_size: str = ""
    quantization_level: str = ""
    parent_model: str = ""


class ModelFacts(msgspec.Struct, omit_defaults=True):
    """What servers tell of a model, in Ollama's fields as far as there are such. What none tells is left out."""

    size: int | None = None
    """Bytes, on disk."""
    digest: str = ""
    modified_at: str = ""
    """RFC 3339."""
    details: ModelDetails | None = None
    capabilities: list[str] | None = None
    trained_context: int | None = None
    """Tokens, as the model itself says."""
    running: bool | None = None
    """Whether it is loaded."""
    size_vram: int | None = None
    """Bytes, on GPUs."""
    expires_at: str = ""
    """When it will be unloaded; RFC 3339."""


class ModelStanding(msgspec.Struct, omit_defaults=True):
    """How a model is served; ours, beside OpenAI's fields."""

    state: str
    """`active` where a replica may be chosen now, else `draining` or `standby`."""
    replicas: int
    """How many may be chosen now: none of a model that is to be loaded first, or whose servers do not answer."""
    alias_of: str | None = None
    away: bool = False
    """All servers that have it are known to be away or draining, and none could load it."""
    via: list[str] = msgspec.field(default_factory=list)
    """The other Remudas that a request for it passes at least, the nearest first, by their pseudonyms."""
    facts: ModelFacts | None = None
    """Told to other Remudas alone: what those servers tell of it that are on that way."""


class ModelObject(msgspec.Struct, kw_only=True):
    """One model, as OpenAI has it."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    context_length: int | None = None
    """Tokens that one request may take up, where the engine tells."""
    remuda: ModelStanding


class Teller(msgspec.Struct):
    """Which Remuda this is; ours, beside OpenAI's fields."""

    instance: str
    """Its pseudonym, as it stands in `Via`; new with each start."""


class ModelList(msgspec.Struct, kw_only=True):
    """All models, as OpenAI has it."""

    object: Literal["list"] = "list"
    data: list[ModelObject]
    remuda: Teller


class ErrorDetails(msgspec.Struct):
    """What was wrong with one parameter."""

    parameter: str
    received_value: str | int | float | bool | None
    expected_type: str | None


class ErrorObject(msgspec.Struct, kw_only=True):
    """OpenAI's `message`, `type`, `param` and `code`, and S1's `details` and `request_id`."""

    message: str
    type: str
    param: str | None
    code: str
    request_id: str
    details: ErrorDetails | None = None


class ErrorBody(msgspec.Struct):
    """The body of every refusal."""

    error: ErrorObject
