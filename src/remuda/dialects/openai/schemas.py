"""The few fields of each request that the gateway itself reads; all others pass through to the engine unread."""

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


class ChatBody(InferenceBody, kw_only=True):
    """`POST /v1/chat/completions`."""

    messages: list[msgspec.Raw]


class CompletionBody(InferenceBody, kw_only=True):
    """`POST /v1/completions`."""

    prompt: msgspec.Raw


class EmbeddingBody(msgspec.Struct, kw_only=True):
    """`POST /v1/embeddings`: text, texts, tokens, or lists of tokens."""

    model: str
    input: str | list[str | int | list[int]]
    encoding_format: str | None = None


class ResponseBody(InferenceBody, kw_only=True):
    """`POST /v1/responses`."""

    input: msgspec.Raw


class RerankBody(msgspec.Struct, kw_only=True):
    """`POST /v1/rerank`, as Jina and Cohere have it."""

    model: str
    query: str
    documents: list[msgspec.Raw]
