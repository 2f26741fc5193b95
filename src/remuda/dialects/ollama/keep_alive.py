"""`keep_alive`: how long a model shall stay loaded after a request, as Ollama's clients write it."""

import math
import re
from typing import Any, Final

from remuda.core.faults import InvalidRequest

MAX_CHARS: Final = 64
"""Of a duration that is written out."""
LONGEST_S: Final = 100 * 365 * 86_400.0
"""What is longer means for ever."""
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
"""Those of Go's durations; micro is written with either of two signs."""
_NUMBER: Final = r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_PART: Final = re.compile(rf"({_NUMBER})(ns|us|µs|μs|ms|s|m|h)")
_TEXT: Final = re.compile(rf"([+-]?)(?:({_NUMBER})|((?:{_PART.pattern})+))")


def keep_alive_of(given: Any) -> float | None:
    """Seconds, `inf` for ever (any number below 0), or None where nothing was asked; raises InvalidRequest.

    A number is seconds; a text is one of Go's durations (`5m`, `1h30m`, `500ms`), or such a number.
    """
    if given is None:
        return None
    seconds = _seconds(given)
    if seconds is None:
        raise InvalidRequest(
            '\'keep_alive\' is a number of seconds or a duration such as "5m" or "1h30m"; 0 unloads the model, and '
            "below 0 it stays",
            parameter="keep_alive",
            expected="seconds, or a duration",
        )
    return math.inf if seconds < 0 or seconds > LONGEST_S else seconds


def _seconds(given: Any) -> float | None:
    if isinstance(given, bool):
        return None
    if isinstance(given, int | float):
        return given
    if not isinstance(given, str) or len(given) > MAX_CHARS or (found := _TEXT.fullmatch(given)) is None:
        return None
    sign, number, parts = found[1], found[2], found[3]
    pieces = [(number, "s")] if number else _PART.findall(parts)
    seconds = sum(float(count) * _UNITS[unit] for count, unit in pieces)
    return -seconds if sign == "-" else seconds
