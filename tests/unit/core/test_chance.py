"""Chance lies where it should, and is not always the same."""

from remuda.core.chance import system_chance


def test_it_lies_between_0_and_1_and_differs():
    drawn = [system_chance() for _ in range(100)]
    assert all(0 <= each < 1 for each in drawn)
    assert len(set(drawn)) > 90
