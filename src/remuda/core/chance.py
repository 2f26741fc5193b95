"""Chance, handed in."""

import os
from collections.abc import Callable

Chance = Callable[[], float]
"""Gives a number from 0 (included) to 1 (excluded) on each call, any as likely as any other."""


def system_chance() -> float:
    """The machine's own chance. For what happens now and then: each call asks the system."""
    return int.from_bytes(os.urandom(6), "big") / 2**48
