"""The words in a request and in a whole answer, for the journal: what was asked and said, without the JSON around it.

Sources: OpenAI API reference (chat messages and their content parts, completions, responses).
"""

from typing import Any, Final

import msgspec

from remuda.core.ask import Operation

PARAMETERS_BYTES: Final = 4096
"""How long the parameters of a request may be, so that a page of them is no burden: tools and schemas may be longer."""

_decode = msgspec.json.Decoder().decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_PROMPT_FIELDS = {
    Operation.CHAT: "messages",
    Operation.COMPLETION: "prompt",
    Operation.RESPONSE: "input",
    Operation.EMBEDDING: "input",
    Operation.RERANK: "query",
    Operation.COUNT_TOKENS: "messages",
}

_SAID = frozenset({"instructions", "documents"})
"""What is said to a model beside that."""


def prompt_text(operation: Operation, body: bytes) -> str:
    """What a request asks, the newest last: messages as `role: text`, each in a paragraph of its own; pictures and
    the like as their kind in brackets. A body of an unexpected shape as it is."""
    try:
        fields = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return body.decode("utf-8", "replace")
    asked = fields.get(_PROMPT_FIELDS[operation])
    words = [_words(fields[name]) for name in ("instructions",) if fields.get(name)]
    words += [_words(part) for part in asked] if isinstance(asked, list) else [_words(asked)]
    return "\n\n".join(filter(None, words))


def parameters_text(operation: Operation, body: bytes) -> str | None:
    """How a request asks: its body's fields but what is asked, as a JSON object. Of fields that would make it longer
    than a bound only the others stay; None for a body that is no object."""
    try:
        fields = _decode_fields(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    left = PARAMETERS_BYTES
    kept: dict[str, msgspec.Raw] = {}
    for name, value in fields.items():
        size = len(name) + len(bytes(value))
        if name not in _SAID and name != _PROMPT_FIELDS[operation] and size <= left:
            kept[name] = value
            left -= size
    return msgspec.json.encode(kept).decode("utf-8", "replace")


def answer_text(body: bytes) -> str:
    """What a whole answer says: the text of its choices or of its output; empty for one without words (embeddings)."""
    try:
        fields = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(fields, dict):
        return ""
    said = [fields.get(name) for name in ("choices", "output")]
    return "\n\n".join(filter(None, [_said(part) for parts in said if isinstance(parts, list) for part in parts]))


def _said(part: Any) -> str:
    if not isinstance(part, dict):
        return ""
    message = part.get("message", part)
    return _content(message.get("content") or message.get("text")) if isinstance(message, dict) else ""


def _words(part: Any) -> str:
    """One message, prompt or input."""
    if not isinstance(part, dict):
        return _content(part)
    content = _content(part.get("content", part.get("text")))
    role = part.get("role")
    return f"{role}: {content}" if isinstance(role, str) else content


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return " ".join(filter(None, map(_piece, content)))


def _piece(piece: Any) -> str:
    if isinstance(piece, dict):
        text = piece.get("text")
        return text if isinstance(text, str) else f"[{piece.get('type', 'something')}]"
    return str(piece) if isinstance(piece, int | str) else ""
