"""The shapes of OpenAI's API: chats, text completions and embeddings, whole and in chunks. Values in, bytes out.

Source: OpenAI's API reference. A chunk ends as most servers' do, which is what the gateway's scan is quick with.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import pack
from typing import Any, Final

DONE: Final = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Said:
    """One finished answer."""

    text: str
    finish: str


@dataclass(frozen=True, slots=True)
class Head:
    """What all parts of an answer share."""

    id: str
    model: str
    created: int
    """Seconds since 1970."""
    is_chat: bool

    def whole(self, said: Sequence[Said], prompt_tokens: int, tokens: int) -> dict[str, Any]:
        """The whole answer."""
        kind = "chat.completion" if self.is_chat else "text_completion"
        choices = [
            {
                "index": index,
                **({"message": {"role": "assistant", "content": each.text}} if self.is_chat else {"text": each.text}),
                "logprobs": None,
                "finish_reason": each.finish,
            }
            for index, each in enumerate(said)
        ]
        return {**self._about(kind), "choices": choices, "usage": usage(prompt_tokens, tokens)}

    def chunk(self, index: int, text: str | None, finish: str | None) -> bytes:
        """One event of a stream. `text` None: only that the assistant begins."""
        if self.is_chat:
            delta = {"role": "assistant", "content": ""} if text is None else {"content": text} if text else {}
            choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": finish}
        else:
            choice = {"index": index, "text": text or "", "logprobs": None, "finish_reason": finish}
        return event({**self._about(self._chunk_kind), "choices": [choice]})

    def usage_chunk(self, prompt_tokens: int, tokens: int) -> bytes:
        """The event with the usage of a stream."""
        return event({**self._about(self._chunk_kind), "choices": [], "usage": usage(prompt_tokens, tokens)})

    @property
    def _chunk_kind(self) -> str:
        return "chat.completion.chunk" if self.is_chat else "text_completion"

    def _about(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def usage(prompt_tokens: int, tokens: int) -> dict[str, int]:
    """What was read and what was said."""
    return {"prompt_tokens": prompt_tokens, "completion_tokens": tokens, "total_tokens": prompt_tokens + tokens}


def embeddings(model: str, vectors: Sequence[Sequence[float]], tokens: int, *, is_base64: bool) -> dict[str, Any]:
    """The answer with the vectors of some texts."""
    data = [
        {"object": "embedding", "index": index, "embedding": _base64(vector) if is_base64 else vector}
        for index, vector in enumerate(vectors)
    ]
    return {
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def event(value: Mapping[str, Any]) -> bytes:
    """A server-sent event."""
    return b"data: " + json_of(value) + b"\n\n"


def json_of(value: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _base64(vector: Sequence[float]) -> str:
    return b64encode(pack(f"<{len(vector)}f", *vector)).decode()
