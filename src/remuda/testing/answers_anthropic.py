"""What a fake upstream has to say in Anthropic's own dialect: values in, values out, no socket and no clock."""

from typing import Any, Final

from remuda.testing.answers import Answer, Kind, Part, event, text_of, whole, words_of
from remuda.testing.behaviour import Behaviour

CACHED_TOKENS: Final = 3
"""Of each prompt, beside those it counts, so many are said to have been held."""


def error(status: int, message: str) -> Answer:
    """An error in Anthropic's shape."""
    kind = "api_error" if status >= 500 else "invalid_request_error"
    return whole({"type": "error", "error": {"type": kind, "message": message}}, status=status)


def messages(number: int, ask: dict[str, Any], behaviour: Behaviour) -> Answer:
    """`POST /v1/messages`: one block of text, streamed or not."""
    words, finish = words_of(ask, behaviour, text_of(ask.get("messages")))
    reason = "max_tokens" if finish == "length" else "end_turn"
    prompt = {
        "input_tokens": len(text_of(ask.get("messages")).split()),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": CACHED_TOKENS,
    }
    message = {
        "id": f"msg_fake{number}",
        "type": "message",
        "role": "assistant",
        "model": ask.get("model"),
        "stop_sequence": None,
    }
    if not ask.get("stream"):
        content = [{"type": "text", "text": "".join(words)}]
        usage = prompt | {"output_tokens": len(words)}
        return whole(message | {"content": content, "stop_reason": reason, "usage": usage}, tokens=len(words))

    def said(kind: str, part: Kind = Kind.CLOSING, **fields: Any) -> Part:
        return Part(event({"type": kind} | fields, kind), part)

    begun = message | {"content": [], "stop_reason": None, "usage": prompt | {"output_tokens": 1}}
    parts = [
        said("message_start", message=begun),
        said("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *(
            said("content_block_delta", Kind.CONTENT, index=0, delta={"type": "text_delta", "text": word})
            for word in words
        ),
        said("content_block_stop", index=0),
        said(
            "message_delta",
            delta={"stop_reason": reason, "stop_sequence": None},
            usage={"output_tokens": len(words)},
        ),
        said("message_stop", Kind.DONE),
    ]
    failure = event({"type": "error", "error": {"type": "api_error", "message": "the fake failed"}}, "error")
    return Answer(tuple(parts), media_type="text/event-stream", tokens=len(words), streamed=True, failure=failure)


def count(ask: dict[str, Any]) -> Answer:
    """`POST /v1/messages/count_tokens`, as vLLM answers it: here a word is a token."""
    tokens = len(text_of(ask.get("messages")).split())
    return whole({"input_tokens": tokens, "context_management": {"original_input_tokens": tokens}})
