"""What was sent, field by field: as a form (urlencoded or multipart), as a JSON object, or in the query."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from fastapi import Request

from remuda.core.faults import BodyTooLarge, InvalidRequest, UnsupportedMedia
from remuda.dialects.kit.bodies import decoded
from remuda.dialects.observe.parts import MAX_SHOWN
from remuda.wire.multipart import MultipartError, MultipartSplitter, Part, PartEnd, boundary_of

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
MAX_NUMBER_CHARS: Final = 64
MAX_TEXT_CHARS: Final = 200
MAX_NUMBER: Final = Decimal(10) ** 15
FORM: Final = "application/x-www-form-urlencoded"

Value = TypeVar("Value")

_FLAGS: Final = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}
_json: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode


class Fields:
    """Fields by name. One that was sent empty, or as null, counts as not sent.

    Each kind of access raises InvalidRequest, which names the field, for a value that is none of the kind, and for a
    field that is not there where `otherwise` is not given. Names that nobody asks for are passed over.
    """

    def __init__(self, sent: Mapping[str, Any]) -> None:
        self._sent = {name: value for name, value in sent.items() if value is not None and value != ""}

    def __contains__(self, name: str) -> bool:
        return name in self._sent

    def any_of(self, names: Sequence[str]) -> bool:
        """Whether one of these was sent: else there is nothing to change."""
        return any(name in self._sent for name in names)

    def text(self, name: str, *otherwise: Value, max_chars: int = MAX_TEXT_CHARS) -> str | Value:
        """Some text of at most `max_chars` characters, none of them but spaces."""
        if name not in self._sent:
            return _instead(name, otherwise)
        said = self._sent[name]
        if not isinstance(said, str) or not said.strip():
            raise _wrong(name, "some text", said)
        if len(said) > max_chars:
            raise _wrong(name, f"at most {max_chars} characters long", said)
        return said.strip()

    def one_of(self, name: str, words: Sequence[str], *otherwise: Value) -> str | Value:
        """One of these words."""
        if name not in self._sent:
            return _instead(name, otherwise)
        said = self._sent[name]
        if said not in words:
            raise _wrong(name, f"one of {', '.join(words)}", said)
        return str(said)

    def flag(self, name: str, *otherwise: Value) -> bool | Value:
        """True or false; in a form also 1, yes, on and their contraries."""
        if name not in self._sent:
            return _instead(name, otherwise)
        said = self._sent[name]
        flag = said if isinstance(said, bool) else _FLAGS.get(said.lower()) if isinstance(said, str) else None
        if flag is None:
            raise _wrong(name, "true or false", said)
        return flag

    def decimal(
        self, name: str, *otherwise: Value, least: Decimal = -MAX_NUMBER, most: Decimal = MAX_NUMBER
    ) -> Decimal | Value:
        """A number exactly as it was written."""
        if name not in self._sent:
            return _instead(name, otherwise)
        said = self._sent[name]
        number = _number(said)
        if number is None:
            raise _wrong(name, "a number", said)
        if not least <= number <= most:
            raise _wrong(name, f"a number from {least:f} to {most:f}", said)
        return number

    def number(self, name: str, *otherwise: Value, least: float = -1e15, most: float = 1e15) -> float | Value:
        """A number, as near as a float comes to it."""
        if name not in self._sent:
            return _instead(name, otherwise)
        return float(self.decimal(name, least=Decimal(least), most=Decimal(most)))

    def whole(self, name: str, *otherwise: Value, least: int = 0, most: int = 10**15) -> int | Value:
        """A whole number."""
        if name not in self._sent:
            return _instead(name, otherwise)
        said = self._sent[name]
        number = _number(said)
        if number is None or not least <= number <= most or number != number.to_integral_value():
            raise _wrong(name, f"a whole number from {least} to {most}", said)
        return int(number)

    def listed(self, name: str, *otherwise: Value) -> list[Any] | Value:
        """A list; in a form or a query as JSON."""
        if name not in self._sent:
            return _instead(name, otherwise)
        said = self._sent[name]
        if isinstance(said, str):
            try:
                said = msgspec.json.decode(said)
            except (msgspec.DecodeError, RecursionError):
                raise _wrong(name, "a list", said) from None
        if not isinstance(said, list):
            raise _wrong(name, "a list", said)
        return said


async def fields_in(request: Request) -> Fields:
    """All that was sent; what the body says comes before what the query says, and of a form's fields of one name the
    last counts.

    Raises UnsupportedMedia, BodyTooLarge, InvalidJson, InvalidRequest.
    """
    body = await request.body()
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge(f"the request body is larger than {MAX_BODY_BYTES} bytes")
    content_type = request.headers.get("content-type", "")
    return Fields({**request.query_params, **(_in_body(body, content_type) if body else {})})


def _in_body(body: bytes, content_type: str) -> Mapping[str, Any]:
    boundary = boundary_of(content_type.encode("latin-1"))
    if boundary is not None:
        return _in_parts(body, boundary)
    kind = content_type.partition(";")[0].strip().lower()
    # `curl -d '{...}'` says that it is a form.
    if kind.endswith(("/json", "+json")) or body.lstrip()[:1] == b"{":
        return decoded(_json, body)
    if kind not in (FORM, ""):
        raise UnsupportedMedia(f"this takes a form or a JSON object, not {kind[:MAX_SHOWN]!r}")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError as error:
        raise InvalidRequest("the form is not written in UTF-8") from error


def _in_parts(body: bytes, boundary: bytes) -> Mapping[str, Any]:
    splitter = MultipartSplitter(boundary)
    found: dict[str, bytearray] = {}
    content = bytearray()
    try:
        for event in splitter.feed(body):
            if isinstance(event, Part):
                content = found[event.name] = bytearray()
            elif not isinstance(event, PartEnd):
                content += event
        if not splitter.is_over:
            raise MultipartError("it ends before the last boundary")
        return {name: value.decode() for name, value in found.items()}
    except MultipartError as error:
        raise InvalidRequest(f"the form is malformed: {error}") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest("the form is not written in UTF-8") from error


def _number(said: Any) -> Decimal | None:
    """What was written as a number; None for what is none: not-a-number and infinity, too."""
    if isinstance(said, bool) or not isinstance(said, int | Decimal | str):
        return None
    # Python would take underscores between digits, as in its own programs.
    if isinstance(said, str) and (len(said) > MAX_NUMBER_CHARS or not said.isascii() or "_" in said):
        return None
    try:
        number = Decimal(said)
    except InvalidOperation:
        return None
    # An exponent of thousands of digits would take an age to become a whole number.
    return number if number.is_finite() and abs(number.adjusted()) <= MAX_NUMBER_CHARS else None


def _instead(name: str, otherwise: tuple[Value, ...]) -> Value:
    if not otherwise:
        raise InvalidRequest(f"the request is missing the required parameter '{name}'", parameter=name)
    return otherwise[0]


def _wrong(name: str, expected: str, said: Any) -> InvalidRequest:
    plain = said if isinstance(said, bool | int) else str(said)[:MAX_SHOWN]
    return InvalidRequest(f"'{name}' must be {expected}", parameter=name, received=plain, expected=expected)
