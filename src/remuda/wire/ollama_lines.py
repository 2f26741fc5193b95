"""What the journal needs to know of an answer in Ollama's own form: a line of a stream, or all of it.

Source: Ollama's `docs/api.md` (the answers of chat, generate, embed) and `api/types.go`.
"""

from typing import Any, Final

import msgspec

from remuda.core.usage import Usage


class _Message(msgspec.Struct):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[msgspec.Raw] | None = None


class _Line(msgspec.Struct):
    message: _Message | None = None
    response: str | None = None
    thinking: str | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    # Any, not Raw: msgspec takes `Raw | None` for None alone.
    error: Any = None


class LineFacts(msgspec.Struct, frozen=True, gc=False):
    """What one line tells."""

    has_content: bool = False
    text: str = ""
    finish_reason: str = ""
    usage: Usage | None = None
    is_done: bool = False
    """The last line of an answer that is complete."""
    is_error: bool = False


UNKNOWN_LINE: Final = LineFacts(has_content=True)
"""A line of a shape we do not know is content for all we can tell."""

_decode = msgspec.json.Decoder(_Line).decode


def facts_of_line(line: bytes) -> LineFacts:
    """What a line tells; a whole answer is like a stream's last line, with all of the text in it."""
    try:
        said = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return UNKNOWN_LINE
    message = said.message
    text = said.response or (message.content if message is not None else None) or ""
    usage = None
    if said.prompt_eval_count is not None or said.eval_count is not None:
        usage = Usage(said.prompt_eval_count or 0, said.eval_count or 0)
    return LineFacts(
        has_content=bool(text or said.thinking or (message is not None and (message.thinking or message.tool_calls))),
        text=text,
        finish_reason=said.done_reason or ("stop" if said.done else ""),
        usage=usage,
        is_done=said.done and said.error is None,
        is_error=said.error is not None,
    )
