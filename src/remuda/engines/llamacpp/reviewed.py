"""The fields that may not go to llama.cpp with just any value: a short list, each entry with its reason.

Everything else a client sends is the engine's to judge. A field stands here because a value was seen (or published) to
crash the engine, to stall it for everybody, or to undo the gateway's own accounting.
"""

import re
from typing import Any

import msgspec

from remuda.core.faults import InvalidJson, InvalidRequest
from remuda.engines.body import Fields, nests_deeper_than

INT32_MAX = 2**31 - 1
MAX_LAST_N = 65_536
"""The engine allocates and clears a buffer of this many tokens per slot: half a milliard took 2 GB and stalled every
stream for 6 s."""
MAX_PROBABILITIES = 128
"""Per token. OpenAI allows 20; a whole vocabulary is megabytes for each token."""
MAX_GRAMMAR_BYTES = 262_144
MAX_GRAMMAR_DEPTH = 200
"""The engine's grammar parser recurses: a hundred thousand brackets overflow its stack and end the process."""
MAX_SCHEMA_DEPTH = 200
"""As for grammars. Five thousand levels took it 5 s and 900 MB, a hundred thousand ended it. So did fifty thousand
levels in the arguments of a tool call."""
MANY_BRACKETS = 10_000
"""Conversations with fewer are not looked into; the engine stood twice as many levels."""
MAX_STOPS = 64
"""Each is looked for after every token."""
MAX_STOP_CHARS = 4096
"""Of each. What may be the beginning of one is held back, so a long one keeps the client waiting as well."""
MAX_BREAKERS = 256
"""A thousand took it a second, twenty thousand more than half a minute."""

_RANGES: dict[str, tuple[int, int]] = {
    # CVE-2026-21869: a negative number made the engine write outside its buffer.
    "n_discard": (0, INT32_MAX),
    "n_keep": (-1, INT32_MAX),
    # The engine keeps 32 bits of these without looking: 2**32 - 1 would mean "without end".
    "max_tokens": (-1, INT32_MAX),
    "max_completion_tokens": (-1, INT32_MAX),
    "max_output_tokens": (-1, INT32_MAX),
    "n_predict": (-1, INT32_MAX),
    "repeat_last_n": (-1, MAX_LAST_N),
    "dry_penalty_last_n": (-1, MAX_LAST_N),
    "n_probs": (0, MAX_PROBABILITIES),
    "top_logprobs": (0, MAX_PROBABILITIES),
    # A slot is given by the gateway's lease; a client that names its own waits behind it while others are free.
    "id_slot": (-1, -1),
}
_NESTED = frozenset({"response_format", "json_schema", "tools", "text", "chat_template_kwargs"})
_CONVERSATIONS = frozenset({"messages", "input"})
_REVIEWED = frozenset({*_RANGES, *_NESTED, *_CONVERSATIONS, "grammar", "logprobs", "stop", "dry_sequence_breakers"})

_GRAMMAR_TEXT = re.compile(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|#[^\n]*', re.DOTALL)
"""What holds brackets that open nothing: literals, character classes, comments."""


def check_fields(fields: Fields) -> None:
    """Raise InvalidRequest where a reviewed field has a value that must not reach the engine."""
    if _REVIEWED.isdisjoint(fields):
        return
    for name in _REVIEWED.intersection(fields):
        value = bytes(fields[name])
        if value in (b"null", b"true", b"false"):
            continue
        if name in _NESTED:
            _check_depth(name, value)
        elif name in _CONVERSATIONS:
            _check_calls(name, value)
        elif name == "grammar":
            _check_grammar(value)
        elif name == "stop":
            _check_stops(_plain(name, value))
        elif name == "dry_sequence_breakers":
            _check_breakers(_plain(name, value))
        else:
            low, high = _RANGES.get(name, (0, MAX_PROBABILITIES))
            _check_range(name, value, low, high)


def _plain(name: str, value: bytes) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidJson(f"The value of {name} is not valid JSON.", parameter=name) from None


def _check_depth(name: str, value: bytes) -> None:
    if nests_deeper_than(MAX_SCHEMA_DEPTH, value):
        raise InvalidRequest(
            f"{name} is nested too deeply.", parameter=name, expected=f"at most {MAX_SCHEMA_DEPTH} levels"
        )


def _check_calls(name: str, value: bytes) -> None:
    """The arguments of earlier tool calls are JSON within a text, which the engine parses and copies level by level."""
    if value.count(b"[") + value.count(b"{") <= MANY_BRACKETS:
        return
    messages = _plain(name, value)
    for message in messages if isinstance(messages, list) else ():
        calls = message.get("tool_calls") if isinstance(message, dict) else None
        for call in calls if isinstance(calls, list) else [message]:
            holder = call.get("function", call) if isinstance(call, dict) else None
            arguments = holder.get("arguments") if isinstance(holder, dict) else None
            if isinstance(arguments, str):
                _check_depth(name, arguments.encode(errors="replace"))


def _check_stops(stops: Any) -> None:
    given = stops if isinstance(stops, list) else [stops]
    if len(given) > MAX_STOPS or any(isinstance(stop, str) and len(stop) > MAX_STOP_CHARS for stop in given):
        raise InvalidRequest(
            "stop has too many entries, or one that is too long.",
            parameter="stop",
            expected=f"at most {MAX_STOPS} entries of at most {MAX_STOP_CHARS} characters",
        )


def _check_breakers(breakers: Any) -> None:
    if isinstance(breakers, list) and len(breakers) > MAX_BREAKERS:
        raise InvalidRequest(
            "dry_sequence_breakers has too many entries.",
            parameter="dry_sequence_breakers",
            expected=f"at most {MAX_BREAKERS} entries",
        )


def _check_range(name: str, value: bytes, low: int, high: int) -> None:
    number = _plain(name, value)
    if not isinstance(number, int | float):  # true and false were let through above
        raise InvalidRequest(f"{name} must be a number.", parameter=name, expected="a number")
    if not low <= number <= high:
        expected = f"{low}" if low == high else f"{low} to {high}"
        raise InvalidRequest(f"{name} must be {expected}.", parameter=name, received=number, expected=expected)


def _check_grammar(value: bytes) -> None:
    grammar = _plain("grammar", value)
    if not isinstance(grammar, str):
        raise InvalidRequest("grammar must be a string.", parameter="grammar", expected="a string")
    if len(grammar) > MAX_GRAMMAR_BYTES:
        raise InvalidRequest(
            "grammar is too long.", parameter="grammar", expected=f"at most {MAX_GRAMMAR_BYTES} characters"
        )
    depth = 0
    for bracket in _GRAMMAR_TEXT.sub("", grammar):
        depth += (bracket == "(") - (bracket == ")")
        if depth > MAX_GRAMMAR_DEPTH:
            raise InvalidRequest(
                "grammar is nested too deeply.", parameter="grammar", expected=f"at most {MAX_GRAMMAR_DEPTH} levels"
            )
