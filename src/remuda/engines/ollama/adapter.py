"""An Ollama server: its own API for its own clients' asks, Anthropic's where it has that, OpenAI's for all others.

Sources: Ollama's `docs/api.md` and `docs/openai.md`; `server/routes.go` for the words of its errors.
"""

import re
from collections.abc import Collection
from typing import Final

from remuda.core.ask import Ask, Operation
from remuda.core.faults import ContextOverflow, Fault, NotOffered, UnknownModel
from remuda.engines.body import INPUT_FIELDS, in_its_own_words
from remuda.engines.openai.adapter import NO_COUNT, PATHS, SHORTER, OpenAILike, body_for, error_in
from remuda.engines.protocol import Outgoing

DIALECT: Final = "ollama"
"""Whose asks it takes as they are."""

_PATHS: Final[dict[Operation, str]] = {
    operation: "/v1" + path for operation, path in PATHS.items() if operation is not Operation.RERANK
}
_UNKNOWN_MODEL: Final = re.compile(r"model .*not found", re.DOTALL)
_OVERFLOW: Final = re.compile(r"exceeds? (?:the |maximum )?context|context length exceeded|exceed_context_size")


class Ollama:
    """How Ollama is spoken to; its addresses are those of its root."""

    kind: Final = "ollama"
    reuses_after_stream: Final = True
    slots_path: Final = None
    counts_tokens: Final = False

    def __init__(self, dialects: Collection[str] = ()) -> None:
        """`dialects`: those that it speaks beside its own and OpenAI's."""
        self._openai = OpenAILike()
        self._dialects = frozenset({DIALECT, *dialects})

    def busy_slots(self, body: bytes) -> int:
        """Never asked: Ollama does not tell its slots."""
        raise ValueError("Ollama does not tell its slots")

    def outgoing(self, ask: Ask, upstream_model: str) -> Outgoing:
        """An ask of a dialect that it speaks as its client wrote it, but for the model's name where the server has
        another; any other as OpenAI's. Raises NotOffered for what Ollama has no API for."""
        native, is_count = ask.native, ask.operation is Operation.COUNT_TOKENS
        if native is not None and native.dialect in self._dialects and not is_count:
            body = in_its_own_words(native, ask.model, upstream_model)
            return Outgoing(path=native.path, body=body, is_streamed=native.is_streamed, is_native=True)
        path = _PATHS.get(ask.operation)
        if path is None:
            raise NotOffered(
                NO_COUNT if is_count else "This model is served by Ollama, which does not offer reranking."
            )
        return Outgoing(path=path, body=body_for(ask, upstream_model), is_streamed=ask.is_streamed)

    def fault_of(self, status: int, body: bytes, operation: Operation) -> Fault:
        """The fault behind an error answer, of its own API or of the other."""
        if status in (400, 404):
            message = error_in(body)[0]
            if status == 404 and _UNKNOWN_MODEL.search(message):
                return UnknownModel(message, parameter="model")
            if status == 400 and _OVERFLOW.search(message):
                return ContextOverflow(message, parameter=INPUT_FIELDS[operation], expected=SHORTER)
        return self._openai.fault_of(status, body, operation)
