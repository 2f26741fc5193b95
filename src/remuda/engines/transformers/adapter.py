"""Our own server for transformers' models (`server`): OpenAI's words for what it offers, and its errors as faults."""

from typing import Any, Final

import msgspec

from remuda.core.ask import Ask, Operation
from remuda.core.faults import ContextOverflow, EngineDown, Fault, InvalidRequest, NotOffered, UpstreamFailed
from remuda.engines.body import INPUT_FIELDS
from remuda.engines.launch import EngineKind
from remuda.engines.openai.adapter import body_for, error_in
from remuda.engines.protocol import Outgoing

OVERFLOW: Final = "context_length_exceeded"
"""The code of an error about a prompt that the context is too small for; beside it stand `n_prompt_tokens` and
`n_ctx`."""
NOT_OFFERED: Final = "not_offered"
"""The code of an error about something that the loaded model cannot do."""

PATHS: Final = {
    Operation.CHAT: "/v1/chat/completions",
    Operation.COMPLETION: "/v1/completions",
    Operation.EMBEDDING: "/v1/embeddings",
    Operation.COUNT_TOKENS: "/v1/chat/completions/input_tokens",
}


class Transformers:
    """How the child that runs a transformers model is spoken to."""

    kind: Final[str] = EngineKind.TRANSFORMERS
    reuses_after_stream: Final = True
    slots_path: Final = "/slots"
    counts_tokens: Final = True

    def busy_slots(self, body: bytes) -> int:
        """How many slots are processing, by the list at `/slots`, which is as llama.cpp's."""
        try:
            return sum(slot.is_processing for slot in msgspec.json.decode(body, type=list[_Slot]))
        except msgspec.DecodeError as error:
            raise ValueError("/slots holds no list of slots") from error

    def outgoing(self, ask: Ask, upstream_model: str) -> Outgoing:
        """The ask as it came, with usage asked for in every stream. Raises NotOffered for what this engine lacks."""
        path = PATHS.get(ask.operation)
        if path is None:
            raise NotOffered(_LACKS[ask.operation])
        is_streamed = ask.is_streamed and ask.operation is not Operation.COUNT_TOKENS
        return Outgoing(path=path, body=body_for(ask, upstream_model), is_streamed=is_streamed)

    def fault_of(self, status: int, body: bytes, operation: Operation) -> Fault:
        """The fault behind an error answer."""
        message, _, code, parameter = error_in(body)
        if status == 401:  # it was our own key for the child that was refused
            return UpstreamFailed()
        if code == NOT_OFFERED:
            return NotOffered(message)
        if code == OVERFLOW:
            return _overflow(body, message, operation)
        if status < 500:
            return InvalidRequest(message or None, parameter=parameter)
        return EngineDown(message or None)


_LACKS: Final = {
    Operation.RESPONSE: "This model is served by transformers, which does not offer the responses API: ask for a chat.",
    Operation.RERANK: "This model is served by transformers, which does not offer reranking.",
}


class _Slot(msgspec.Struct):
    is_processing: bool = False


def _overflow(body: bytes, message: str, operation: Operation) -> ContextOverflow:
    error: Any = msgspec.json.decode(body).get("error", {})
    tokens, context = error.get("n_prompt_tokens"), error.get("n_ctx")
    return ContextOverflow(
        message,
        parameter=INPUT_FIELDS[operation],
        received=tokens,
        expected=f"at most {context} tokens",
    )
