"""Where a stream goes on. What it tells is in `tests/acceptance/test_tasks.py`."""

import pytest

from remuda.dialects.tasks.streaming import Told, _tokens, told_before


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (None, Told()),
        ("", Told()),
        ("end", Told()),
        ("3-17", Told(3, 17)),
        ("3-", Told()),
        ("-3", Told()),
        ("1-2-3", Told()),
        ("\u0663-\u0661", Told()),
        ("9" * 30 + "-1", Told()),
    ],
)
def test_what_a_client_has_had(said: str | None, told: Told):
    assert told_before(said) == told


def test_another_run_begins_anew():
    told = Told(1, 3)
    assert b'"token":"lo"' in _tokens("hello", 1, told)[0]
    assert _tokens("hello", 1, told) == []
    assert b'"token":"hi"' in _tokens("hi", 2, told)[0]
    assert told == Told(2, 2)
