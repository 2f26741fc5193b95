"""From when to when a question goes."""

from types import SimpleNamespace
from typing import Any

import pytest

from remuda.core.faults import InvalidRequest
from remuda.dialects.observe.window import HOUR_S, Window, moment_in, window_in

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def asked(**query: str) -> Any:
    return SimpleNamespace(query_params=query)


@pytest.mark.parametrize(
    ("query", "since", "until"),
    [
        ({}, NOW - 24 * HOUR_S, None),
        ({"hours": "2"}, NOW - 2 * HOUR_S, None),
        ({"from": "2027-01-15T07:00:00Z"}, NOW - HOUR_S, None),
        ({"from": "2027-01-15T08:00:00+01:00", "to": "2027-01-15T07:30:00"}, NOW - HOUR_S, NOW - HOUR_S / 2),
        ({"to": "2027-01-15"}, NOW - 32 * HOUR_S, NOW - 8 * HOUR_S),
    ],
)
def test_windows(query, since, until):
    assert window_in(asked(**query), NOW) == Window(since, until)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"hours": "0"}, "hours"),
        ({"hours": "1", "to": "2027-01-15"}, "hours"),
        ({"from": "yesterday"}, "from"),
        ({"from": ""}, "from"),
        ({"to": "0001-01-01T00:00:00+23:59"}, "to"),
        ({"from": "2027-01-15", "to": "2027-01-15"}, "to"),
        ({"from": "2027-01-16", "to": "2027-01-15"}, "to"),
    ],
)
def test_no_windows(query, parameter):
    with pytest.raises(InvalidRequest) as refused:
        window_in(asked(**query), NOW)
    assert refused.value.parameter == parameter


def test_no_moment():
    assert moment_in(asked(), "from") is None
