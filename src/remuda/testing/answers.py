"""What a fake upstream has to say in OpenAI's dialect: values in, values out, no socket and no clock."""

import base64
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from remuda.testing.behaviour import Behaviour, UsageMode

WORDS = ("The", " herd", " of", " the", " señor", " waits", ":", " pick", " a", " horse", " —", " ride", " on", ".")
"""What the tokens are, in turn; some are not ASCII, so that a torn stream tears characters."""
CREATED = 1_700_000_000
EMBEDDING_SIZE = 8


class Kind(StrEnum):
    """What a part of an answer is."""

    BODY = "body"
    CONTENT = "content"
    CLOSING = "closing"
    """What a stream says after its last token: finish reason, usage."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Part:
    """One event of a stream, or the whole of a body."""

    data: bytes
    kind: Kind


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be sent, before any thought of framing."""

    parts: tuple[Part, ...]
    status: int = 200
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    tokens: int = 0
    """Tokens that had to be made for it: what it costs in time."""
    streamed: bool = False
    failure: bytes = b""
    """What it says in mid-stream when it fails there; empty: an error event of OpenAI's."""

    @property
    def size_bytes(self) -> int:
        return sum(len(part.data) for part in self.parts)


def whole(value: Any, *, status: int = 200, headers: tuple[tuple[str, str], ...] = (), tokens: int = 0) -> Answer:
    """An unstreamed JSON answer."""
    return Answer((Part(msgspec.json.encode(value), Kind.BODY),), status=status, headers=headers, tokens=tokens)


def error(status: int, message: str, *, kind: str, retry_after_s: int | None = None) -> Answer:
    """An error in OpenAI's shape."""
    headers = () if retry_after_s is None else (("Retry-After", str(retry_after_s)),)
    return whole(
        {"error": {"message": message, "type": kind, "param": None, "code": None}}, status=status, headers=headers
    )


def page() -> Answer:
    """What a server says that is none of a model, or a proxy that wants somebody to log in."""
    return Answer((Part(b"<!doctype html><title>It works</title>", Kind.BODY),), media_type="text/html")


def event(value: Any, name: str | None = None) -> bytes:
    """One server-sent event."""
    data = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return (b"event: %b\n" % name.encode() if name else b"") + b"data: %b\n\n" % data


def stream_error() -> bytes:
    """The event by which an upstream says in mid-stream that it failed."""
    return event(
        {"error": {"message": "the fake failed in mid-stream", "type": "server_error", "param": None, "code": 500}}
    )


def models(names: Sequence[str], **more: Any) -> Answer:
    """The list of models, each entry with these further fields."""
    return whole({"object": "list", "data": [_model(name) | more for name in names]})


def model(name: str) -> Answer:
    """One model."""
    return whole(_model(name))


def chat(number: int, ask: dict[str, Any], behaviour: Behaviour) -> Answer:
    """`POST /v1/chat/completions`, streamed or not, with any number of choices."""
    words, finish = words_of(ask, behaviour, text_of(ask.get("messages")))
    choices = _choices(ask)
    usage = _usage(text_of(ask.get("messages")), len(words) * choices, behaviour)
    head = {"id": f"chatcmpl-fake{number}", "created": CREATED, "model": ask.get("model")}
    if not ask.get("stream"):
        message = {"role": "assistant", "content": "".join(words)}
        made = [{"index": i, "message": message, "logprobs": None, "finish_reason": finish} for i in range(choices)]
        return whole(head | {"object": "chat.completion", "choices": made, "usage": usage}, tokens=len(words) * choices)
    head["object"] = "chat.completion.chunk"

    def content() -> Iterator[dict[str, Any]]:
        for i, word in enumerate(words):
            for choice in range(choices):
                delta = ({"role": "assistant"} if i == 0 else {}) | {"content": word}
                yield head | {"choices": [{"index": choice, "delta": delta, "finish_reason": None}]}

    closing = [head | {"choices": [{"index": i, "delta": {}, "finish_reason": finish}]} for i in range(choices)]
    return _stream(content(), closing, head | {"choices": [], "usage": usage}, ask, behaviour)


def completion(number: int, ask: dict[str, Any], behaviour: Behaviour) -> Answer:
    """`POST /v1/completions`, streamed or not."""
    words, finish = words_of(ask, behaviour, text_of(ask.get("prompt")))
    usage = _usage(text_of(ask.get("prompt")), len(words), behaviour)
    head = {"id": f"cmpl-fake{number}", "object": "text_completion", "created": CREATED, "model": ask.get("model")}

    def choice(text: str, finish_reason: str | None) -> dict[str, Any]:
        return head | {"choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}]}

    if not ask.get("stream"):
        return whole(choice("".join(words), finish) | {"usage": usage}, tokens=len(words))
    content = (choice(word, None) for word in words)
    return _stream(content, [choice("", finish)], head | {"choices": [], "usage": usage}, ask, behaviour)


def responses(number: int, ask: dict[str, Any], behaviour: Behaviour) -> Answer:
    """`POST /v1/responses`: one message of text, streamed or not."""
    words, _ = words_of(ask, behaviour, text_of(ask.get("input")))
    text, item = "".join(words), f"msg_fake{number}"
    prompt_tokens = len(text_of(ask.get("input")).split())
    empty: dict[str, Any] = {
        "id": f"resp_fake{number}",
        "object": "response",
        "created_at": CREATED,
        "model": ask.get("model"),
        "error": None,
    }
    message = {
        "id": item,
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }
    usage = {"input_tokens": prompt_tokens, "output_tokens": len(words), "total_tokens": prompt_tokens + len(words)}
    full = empty | {"status": "completed", "output": [message], "usage": usage}
    if not ask.get("stream"):
        return whole(full, tokens=len(words))
    if behaviour.bare_responses:
        return _bare_responses(words, message, full)

    def named(name: str, sequence: int, **fields: Any) -> bytes:
        return event({"type": name, "sequence_number": sequence} | fields, name)

    opened = empty | {"status": "in_progress", "output": [], "usage": None}
    parts = [Part(named("response.created", 0, response=opened), Kind.CLOSING)]
    for i, word in enumerate(words, 1):
        where = {"item_id": item, "output_index": 0, "content_index": 0}
        parts.append(Part(named("response.output_text.delta", i, delta=word, **where), Kind.CONTENT))
    parts.append(Part(named("response.completed", len(words) + 1, response=full), Kind.CLOSING))
    return Answer(tuple(parts), media_type="text/event-stream", tokens=len(words), streamed=True)


def _bare_responses(words: Sequence[str], message: dict[str, Any], full: dict[str, Any]) -> Answer:
    """As llama.cpp's server streams a response: neither numbers nor places, and "completed" however it ended."""
    begun = {"id": full["id"], "object": "response", "status": "in_progress"}
    opened = {"content": [], "id": message["id"], "role": "assistant", "status": "in_progress", "type": "message"}
    (part,) = message["content"]
    part = part | {"logprobs": []}
    done = message | {"content": [part]}
    of_item = {"item_id": message["id"]}
    usage = full["usage"] | {"input_tokens_details": {"cached_tokens": 0}}
    known = ("id", "object", "created_at", "status", "model")
    final = {name: full[name] for name in known} | {"output": [done], "usage": usage}

    def said(name: str, kind: Kind, **fields: Any) -> Part:
        return Part(event({"type": f"response.{name}"} | fields, f"response.{name}"), kind)

    parts = [
        said("created", Kind.CLOSING, response=begun),
        said("in_progress", Kind.CLOSING, response=begun, prompt_progress={"total": 2, "cache": 0, "processed": 0}),
        said("in_progress", Kind.CLOSING, response=begun, prompt_progress={"total": 2, "cache": 0, "processed": 2}),
        said("output_item.added", Kind.CLOSING, item=opened),
        said("content_part.added", Kind.CLOSING, **of_item, part={"type": "output_text", "text": ""}),
        *(said("output_text.delta", Kind.CONTENT, **of_item, delta=word) for word in words),
        said("output_text.done", Kind.CLOSING, **of_item, text=part["text"]),
        said("content_part.done", Kind.CLOSING, **of_item, part=part),
        said("output_item.done", Kind.CLOSING, item=done),
        said("completed", Kind.CLOSING, response=final, timings={"predicted_n": len(words)}),
    ]
    return Answer(tuple(parts), media_type="text/event-stream", tokens=len(words), streamed=True)


def embeddings(ask: dict[str, Any]) -> Answer:
    """`POST /v1/embeddings`: a text, texts, tokens or lists of tokens; numbers or base64. Equal input, equal vector."""
    given = ask.get("input")
    inputs = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    size = ask.get("dimensions") or EMBEDDING_SIZE
    data = []
    for i, each in enumerate(inputs):
        seed = sum(msgspec.json.encode(each))
        vector = [((seed * (k + 1)) % 97) / 97 for k in range(size)]
        packed: Any = vector
        if ask.get("encoding_format") == "base64":
            packed = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
        data.append({"object": "embedding", "index": i, "embedding": packed})
    tokens = sum(len(each) if isinstance(each, list) else len(str(each).split()) for each in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return whole({"object": "list", "data": data, "model": ask.get("model"), "usage": usage})


def input_tokens(ask: dict[str, Any]) -> Answer:
    """`POST /v1/chat/completions/input_tokens`, as llama.cpp's server counts a chat: here a word is a token."""
    return whole({"object": "response.input_tokens", "input_tokens": len(text_of(ask.get("messages")).split())})


def rerank(ask: dict[str, Any]) -> Answer:
    """`POST /v1/rerank`: the more words a document shares with the query, the higher it scores."""
    query = set(str(ask.get("query", "")).lower().split())
    documents = [str(document) for document in ask.get("documents") or []]
    scores = [len(query & set(document.lower().split())) / max(1, len(query)) for document in documents]
    ranked = sorted(range(len(documents)), key=lambda i: -scores[i])[: ask.get("top_n") or len(documents)]
    results = [{"index": i, "relevance_score": scores[i]} for i in ranked]
    tokens = sum(len(document.split()) for document in documents)
    return whole(
        {
            "object": "list",
            "model": ask.get("model"),
            "results": results,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _stream(
    content: Iterator[dict[str, Any]],
    closing: list[dict[str, Any]],
    usage: dict[str, Any],
    ask: dict[str, Any],
    behaviour: Behaviour,
) -> Answer:
    asked = bool((ask.get("stream_options") or {}).get("include_usage"))
    null = {"usage": None} if behaviour.usage_null else {}
    parts = [Part(event(chunk | null), Kind.CONTENT) for chunk in content]
    tokens = len(parts)
    parts += [Part(event(chunk | null), Kind.CLOSING) for chunk in closing]
    if behaviour.usage is UsageMode.ALWAYS or (asked and behaviour.usage is UsageMode.ASKED):
        parts.append(Part(event(usage), Kind.CLOSING))
    parts.append(Part(event(b"[DONE]"), Kind.DONE))
    return Answer(tuple(parts), media_type="text/event-stream", tokens=tokens, streamed=True)


def words_of(ask: dict[str, Any], behaviour: Behaviour, prompt: str) -> tuple[list[str], str]:
    """The tokens of an answer to `prompt`, and why it ends."""
    bound = next(
        (ask[key] for key in ("max_completion_tokens", "max_tokens", "max_output_tokens") if ask.get(key)), None
    )
    cut = bound is not None and bound < behaviour.tokens
    n = bound if cut and bound is not None else behaviour.tokens
    if behaviour.echo:
        [word] = prompt.split()[-1:] or [""]
        words = [f"{word}.{i} " for i in range(n)]
    else:
        words = [WORDS[i % len(WORDS)] for i in range(n)]
    if words:
        words[0] += "x" * behaviour.body_bytes
    return words, "length" if cut else "stop"


def _choices(ask: dict[str, Any]) -> int:
    n = ask.get("n")
    return n if isinstance(n, int) and n > 0 else 1


def _usage(prompt: str, completion_tokens: int, behaviour: Behaviour) -> dict[str, Any]:
    n = seen_tokens(prompt, behaviour)
    return {
        "prompt_tokens": n,
        "completion_tokens": completion_tokens,
        "total_tokens": n + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": int(n * behaviour.cached_share)},
    }


def seen_tokens(prompt: str, behaviour: Behaviour) -> int:
    """How many tokens of a prompt it has seen: its words, as far as there is room."""
    n = len(prompt.split())
    return n if behaviour.context is None else min(n, behaviour.context)


def text_of(value: Any) -> str:
    """All text found in a prompt of any shape."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(text_of(each) for each in value)
    if isinstance(value, dict):
        return text_of(value.get("content") or value.get("text"))
    return str(value) if isinstance(value, int) else ""


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "fake"}
