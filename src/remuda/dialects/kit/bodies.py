"""Bodies read into structs, and those that cannot be."""

import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from remuda.core.faults import InvalidJson, InvalidRequest

Decoded = TypeVar("Decoded")

_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""Escapes in JSON: whole surrogate pairs, halves, and all others."""
_EXPECTED: Final = re.compile(r"Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`")
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>[^`]+)`")
_AT: Final = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")


def decoded(decode: Callable[[bytes], Decoded], body: bytes) -> Decoded:
    """What `body` holds; raises InvalidRequest, in words that name the field."""
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error, body) from error


def invalid(message: str) -> InvalidRequest:
    """A validation error of msgspec as a fault that names the field."""
    at = _AT.search(message)
    path = at["path"] if at else ""
    missing = _MISSING.search(message)
    if missing is not None:
        name = f"{path}.{missing['name']}" if path else missing["name"]
        return InvalidRequest(f"the request is missing the required parameter '{name}'", parameter=name)
    expected = _EXPECTED.search(message)
    if expected is not None and path:
        said = f"'{path}' must be {expected['expected']}, not {expected['got']}"
        return InvalidRequest(said, parameter=path, expected=expected["expected"])
    said = _AT.sub("", message)
    return InvalidRequest(f"'{path}': {said}" if path else said, parameter=path or None)


def malformed(error: Exception, body: bytes) -> InvalidJson:
    """What is wrong with a body that could not be decoded."""
    for escape in _ESCAPE.finditer(body):
        if escape["half"]:
            # Python's and JavaScript's own encoders write such halves; the decoder calls the body cut off.
            return InvalidJson(
                f"the request body holds half a surrogate pair ({escape[0].decode()}, byte {escape.start()}): "
                "a character beyond \\uffff is written as two of them, one after the other"
            )
    return InvalidJson(f"the request body is not valid JSON: {str(error)[:200]}")
