"""How long a model shall stay, as clients write it."""

import math
from typing import Any

import pytest

from remuda.core.faults import InvalidRequest
from remuda.dialects.ollama.keep_alive import LONGEST_S, MAX_CHARS, keep_alive_of


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (None, None),
        (0, 0),
        (300, 300),
        (1.5, 1.5),
        ("0", 0),
        ("0s", 0),
        ("5m", 300),
        ("+5m", 300),
        ("1h30m", 5400),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("2.s", 2),
        ("300ms", 0.3),
        ("1s500us", 1.0005),
        ("1µs", 1e-6),
        ("1μs", 1e-6),
        ("10ns", 1e-8),
        ("90", 90),
        (-1, math.inf),
        (-0.5, math.inf),
        ("-1", math.inf),
        ("-1m", math.inf),
        (LONGEST_S, LONGEST_S),
        (LONGEST_S + 1, math.inf),
        (10**30, math.inf),
        ("9" * (MAX_CHARS - 1) + "h", math.inf),
    ],
)
def test_numbers_are_seconds_and_texts_durations(given: Any, seconds: float | None) -> None:
    assert keep_alive_of(given) == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    "given",
    [
        "soon",
        "",
        " ",
        "5 m",
        "5x",
        "m",
        ".",
        ".s",
        "1m-1s",
        "--1",
        "\u0661s",
        "1e3",
        "inf",
        "0" * (MAX_CHARS + 1),
        True,
        {},
        [],
    ],
)
def test_all_else_is_refused_with_what_it_is(given: Any) -> None:
    with pytest.raises(
        InvalidRequest, match=r"'keep_alive' is a number of seconds or a duration such as \"5m\""
    ) as said:
        keep_alive_of(given)
    assert said.value.parameter == "keep_alive"
