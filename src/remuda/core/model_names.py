"""Two ways to write the name of a model: with the tag `:latest`, or without it."""

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

T = TypeVar("T")

LATEST: Final = ":latest"
"""The tag that a name without one means."""


def twin_of(name: str) -> str:
    """`name` without its tag `:latest`, or with it: the other way to write the same."""
    return name.removesuffix(LATEST) if name.endswith(LATEST) else name + LATEST


def plain_model(name: str) -> str:
    """A model's name without the tag `:latest`: with it, it is the same model."""
    return name.removesuffix(LATEST)


def by_either_name(by_name: Mapping[str, T]) -> dict[str, T]:
    """`by_name`, so that what is said of a model holds whichever way its name is written; what is said of that very
    name comes first."""
    return {twin_of(name): value for name, value in by_name.items()} | dict(by_name)


def each_once(names: Iterable[str]) -> tuple[str, ...]:
    """Of `names` those that mean another model than those before them."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(plain_model(name), name)
    return tuple(found.values())
