"""Numbers as sentences have them."""

import pytest

from remuda.core.suggestion import Gain, shown


@pytest.mark.parametrize(
    ("value", "said"), [(3, "3"), (3.0, "3"), (0.12345, "0.123"), (12345.6, "12,346"), (99.95, "100"), (0, "0")]
)
def test_numbers(value, said):
    assert shown(value) == said


def test_a_gain_in_words():
    assert str(Gain("mean wait", 2.5, 0.5, "s", "more slots")) == "mean wait: 2.5 now, 0.5 then (s)"
