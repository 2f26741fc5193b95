"""Looking for words in the text that the journal keeps.

Sources: SQLite's documentation of FTS5 (queries, external content), Postgres' of text search.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, column, func, table

from remuda.store.schema import journal

MAX_TERMS: Final = 16
"""Words and phrases in one question."""

_TERM: Final = re.compile(r'"([^"]*)"|(\S+)')
_ON_SQLITE: Final = table("journal_text", column("rowid"), column("journal_text"))
_ON_POSTGRES: Final = table("journal_text", column("journal_id"), column("words"))


def terms_in(words: str) -> list[str]:
    """The words of a question, and its "phrases in quotes", as they stand there."""
    found = (quoted or single for quoted, single in _TERM.findall(words))
    return [term for term in found if any(map(str.isalnum, term))]


def with_text(query: Select[Any], terms: Sequence[str], *, is_sqlite: bool) -> tuple[Select[Any], ColumnElement[int]]:
    """`query`, which selects from the journal alone, for entries only in whose text, prompt or answer, all of `terms`
    occur: whole words, in whatever case. With it the column of ids to go by, which the database finds in order."""
    if is_sqlite:
        sought = " ".join('"' + term.replace('"', '""') + '"' for term in terms)
        words, id_column = _ON_SQLITE, _ON_SQLITE.c.rowid
        matches: ColumnElement[bool] = words.c.journal_text.op("MATCH", is_comparison=True)(sought)
    else:
        question: ColumnElement[Any] = func.phraseto_tsquery("simple", terms[0])
        for term in terms[1:]:
            question = question.op("&&")(func.phraseto_tsquery("simple", term))
        words, id_column = _ON_POSTGRES, _ON_POSTGRES.c.journal_id
        matches = words.c.words.op("@@", is_comparison=True)(question)
    return query.join_from(words, journal, journal.c.id == id_column).where(matches), id_column
