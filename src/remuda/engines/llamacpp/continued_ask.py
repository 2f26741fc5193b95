"""What another server is asked to continue a stream, and whether that would be exact. Values in, values out."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from remuda.core.ask import Ask, Operation
from remuda.core.faults import NotOffered
from remuda.engines.body import Fields
from remuda.engines.protocol import Outgoing

_LIMITS: Final = ("n_predict", "max_tokens", "max_completion_tokens")
"""Where the engine looks for how much it may say; the first that is there counts."""
_OF_CHATS: Final = frozenset(
    {
        "messages",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "response_format",
        "chat_template",
        "chat_template_kwargs",
        "add_generation_prompt",
        "reasoning_format",
        "reasoning_effort",
        "prompt",
        "echo",
        "suffix",
        "best_of",
        "stream_options",
    }
)
"""Fields that say what the prompt and the form of the answer are; all others, such as sampling, go along."""
_NOTHING: Final = (b"null", b"false", b"[]", b"{}", b'""', b"0")
_CONSTRAINTS: Final = ("tools", "functions", "grammar", "json_schema", "logprobs", "top_logprobs", "n_probs", "echo")
_OPEN_THOUGHT: Final = "<think>"

_ODD: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Typed(msgspec.Struct):
    type: str = "text"


class _Message(msgspec.Struct):
    content: str | list[_Typed] | None = None


class _Rendered(msgspec.Struct):
    prompt: str


class _Tokens(msgspec.Struct):
    tokens: list[msgspec.Raw]


def is_exact(ask: Ask, fields: Fields, changed: Mapping[str, bytes]) -> bool:
    """Whether an answer to `ask`, sent with these fields and changes to them, is the same text when it is continued as
    a plain one. Tool calls and constrained answers are not: their grammar would begin anew."""
    if ask.choices != 1 or ask.prompts != 1:
        return False
    if any((changed.get(name) or bytes(fields.get(name, b"null"))) not in _NOTHING for name in _CONSTRAINTS):
        return False
    if ask.operation is Operation.COMPLETION:
        return bytes(fields.get("prompt", b"")).startswith(b'"') and bytes(fields.get("suffix", b"null")) in _NOTHING
    return _is_text(fields.get("response_format"))


def _is_text(response_format: msgspec.Raw | None) -> bool:
    if response_format is None or bytes(response_format) in _NOTHING:
        return True
    try:
        return msgspec.json.decode(response_format, type=_Typed).type == "text"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def check_plain(fields: Fields) -> None:
    """Raise NotOffered where the messages hold more than text: a rendered prompt has no pictures in it."""
    try:
        messages = msgspec.json.decode(fields["messages"], type=list[_Message])
    except (*_ODD, KeyError):
        raise NotOffered("this conversation cannot be continued") from None
    if any(part.type != "text" for each in messages if isinstance(each.content, list) for part in each.content):
        raise NotOffered("a conversation with more than text in it cannot be continued")


def rendered(answer: bytes) -> str:
    """The prompt in an answer of `/apply-template`; raises NotOffered where there is none to go on with."""
    try:
        prompt = msgspec.json.decode(answer, type=_Rendered).prompt
    except _ODD:
        raise NotOffered("the model's server does not render the prompt") from None
    if prompt.rstrip().endswith(_OPEN_THOUGHT):
        raise NotOffered("a model that thinks first cannot be continued: what it thought is not in its answer")
    return prompt


def token_count(answer: bytes) -> int:
    """How many tokens an answer of `/tokenize` holds."""
    try:
        return len(msgspec.json.decode(answer, type=_Tokens).tokens)
    except _ODD:
        raise NotOffered("the model's server does not count tokens") from None


def limit_of(fields: Fields) -> int | None:
    """How many tokens may be said at most; None: as many as it takes."""
    for name in _LIMITS:
        if name in fields:
            try:
                limit = msgspec.json.decode(fields[name], type=int | None)
            except _ODD:
                raise NotOffered("this stream's limit is no whole number") from None
            if limit is not None:
                return limit if limit >= 0 else None
    return None


def count_of(text: str) -> Outgoing:
    """How many tokens `text` is."""
    question = {"content": text, "add_special": False, "parse_special": True}
    return Outgoing(path="/tokenize", body=msgspec.json.encode(question), is_streamed=False)


def rest_of(fields: Fields, prompt: str, limit: int | None) -> Outgoing:
    """What comes after `prompt`, at most `limit` tokens of it, with all else as the request with `fields` has it."""
    kept: dict[str, Any] = {
        name: value for name, value in fields.items() if name not in _OF_CHATS and name not in _LIMITS
    }
    kept["prompt"] = prompt
    if limit is not None:
        kept["n_predict"] = limit
    return Outgoing(path="/v1/completions", body=msgspec.json.encode(kept), is_streamed=True, may_emit_progress=True)
