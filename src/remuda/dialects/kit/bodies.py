"""Bodies that cannot be read."""

import re
from typing import Final

from remuda.core.faults import InvalidJson

_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""Escapes in JSON: whole surrogate pairs, halves, and all others."""


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
