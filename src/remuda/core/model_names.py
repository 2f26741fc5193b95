"""Two ways to write the name of a model: with the tag `:latest`, or without it."""

from typing import Final

LATEST: Final = ":latest"
"""The tag that a name without one means."""


def twin_of(name: str) -> str:
    """`name` without its tag `:latest`, or with it: the other way to write the same."""
    return name.removesuffix(LATEST) if name.endswith(LATEST) else name + LATEST


def plain_model(name: str) -> str:
    """A model's name without the tag `:latest`: with it, it is the same model."""
    return name.removesuffix(LATEST)
