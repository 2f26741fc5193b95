"""The words in a request and in a whole answer, for the journal: what was asked and said, without the JSON around it.

Sources: OpenAI API reference (chat messages and their content parts, completions, responses).
"""

from typing import Any

import msgspec

from remuda.core.ask import Operation

_decode = msgspec.json.Decoder().decode
_PROMPT_FIELDS = {
    Operation.CHAT: "messages",
    Operation.COMPLETION: "prompt",
    Operation.RESPONSE: "input",
    Operation.EMBEDDING: "input",
    Operation.RERANK: "query",
    Operation.COUNT_TOKENS: "messages",
}


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
