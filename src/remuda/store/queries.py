"""Parts of queries that are asked again and again.

A query that is asked every second is made once, with bound parameters for what differs: to make one costs more than to
ask it.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, literal_column


def is_one_of(column: ColumnElement[Any], words: Iterable[str]) -> ColumnElement[bool]:
    """As `column.in_(words)`, for words of our own that never change: they stand in the query as they are, where `in_`
    would write it anew with each execution. Raises ValueError for what is not a word."""
    return column.in_([_literal(word) for word in words])


def _literal(word: str) -> ColumnElement[str]:
    if not word.isidentifier():
        raise ValueError(f"{word!r} cannot stand in a query as it is")
    return literal_column(f"'{word}'")
