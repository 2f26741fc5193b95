"""A request body's top level: read by name, fields added or replaced, every other byte left as the client wrote it."""

import re
from collections.abc import Mapping
from itertools import accumulate
from typing import Final

import msgspec

from remuda.core.ask import Native, Operation
from remuda.core.faults import InvalidJson, InvalidRequest

INPUT_FIELDS: Final = {
    Operation.CHAT: "messages",
    Operation.COMPLETION: "prompt",
    Operation.EMBEDDING: "input",
    Operation.RESPONSE: "input",
    Operation.RERANK: "documents",
    Operation.COUNT_TOKENS: "messages",
}
"""The field whose length is what a context is too small for."""

Fields = dict[str, msgspec.Raw]
"""The top-level fields of a JSON object, each value still in the bytes it came in."""

_decode = msgspec.json.Decoder(Fields).decode
_CLOSED = re.compile(rb"\s*\}")
_encode = msgspec.json.Encoder().encode


def fields_of(body: bytes) -> Fields:
    """The top-level fields of `body`; where a name stands twice the last one counts, as engines read it.

    Raises InvalidJson where it is no JSON (or nested more deeply than the decoder follows), InvalidRequest where it is
    JSON but no object.
    """
    try:
        return _decode(body)
    except msgspec.ValidationError:
        raise InvalidRequest("The request body must be a JSON object.", expected="a JSON object") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidJson(f"The request body is not valid JSON: {error}.") from None
    except RecursionError:
        raise InvalidJson("The request body is nested too deeply.") from None


def check_translated(native: Native) -> None:
    """Raise the fault of an ask that only engines of its own dialect can be told."""
    if native.untranslatable is not None:
        raise native.untranslatable


def in_its_own_words(native: Native, model: str, upstream_model: str) -> bytes:
    """The body of an ask of `model` as its client wrote it, but for the model's name where the server has another."""
    body = native.body
    return body if upstream_model == model else with_fields(body, fields_of(body), {"model": json_text(upstream_model)})


def with_fields(body: bytes, fields: Fields, wanted: Mapping[str, bytes]) -> bytes:
    """`body` (whose top level is `fields`) with the fields `wanted`, whose values are JSON.

    Fields that are missing are spliced in behind the opening brace. Only where a field has another value is the top
    level written anew: then space between fields is lost, but no value changes.
    """
    if any(name in fields and bytes(fields[name]) != value for name, value in wanted.items()):
        return _encode({**fields, **{name: msgspec.Raw(value) for name, value in wanted.items()}})
    missing = [b'"%b":%b' % (name.encode(), value) for name, value in wanted.items() if name not in fields]
    if not missing:
        return body
    return with_first(body, b",".join(missing))


def with_first(body: bytes, field: bytes) -> bytes:
    """`body`, an object that has no such field yet, with `field` (`"name":value`) as its first."""
    start = body.index(b"{") + 1
    comma = b"" if _CLOSED.match(body, start) else b","
    return b"%b%b%b%b" % (body[:start], field, comma, body[start:])


def json_text(text: str) -> bytes:
    """`text` as a JSON string."""
    return _encode(text)


def whole_number(value: bytes) -> int | None:
    """The whole number that the JSON `value` is; None where it is anything else."""
    try:
        return msgspec.json.decode(value, type=int | None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def with_usage(options: msgspec.Raw | None) -> bytes:
    """A client's `stream_options` with the usage asked for in any case: the gateway counts it, then drops it again.

    Raises InvalidRequest where they are no object.
    """
    usage = {"include_usage": b"true"}
    value = b"null" if options is None else bytes(options)
    if value == b"null":
        return with_fields(b"{}", {}, usage)
    if not value.startswith(b"{"):
        raise InvalidRequest("stream_options must be an object.", parameter="stream_options", expected="an object")
    return with_fields(value, fields_of(value), usage)


def one_line(message: str, limit: int) -> str:
    """`message` as one line of printable characters, at most `limit` of them."""
    line = " ".join("".join(char if char.isprintable() else " " for char in message[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in _STEPS)


def nests_deeper_than(limit: int, value: bytes) -> bool:
    """Whether the valid JSON `value` nests arrays and objects more than `limit` deep."""
    if value.count(b"[") + value.count(b"{") <= limit:
        return False
    # Without escapes, every second piece between quotes is a text. All in C: schemas of agents come to 100 kB.
    plain = value.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in value else value
    brackets = b"".join(plain.split(b'"')[::2]).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > limit
