"""The text that the journal keeps can be searched, and knows its size.

What is searched stands in a table of its own, `journal_text`, which the database itself keeps in step with
`journal_content`, in whatever transaction changes that: on SQLite a full-text index without a copy of the text, on
Postgres a row of lexemes. A later migration that makes `journal_content` anew has to make the triggers anew, too.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_SQLITE = (
    # Without ranks, which nobody asks for: entries are shown by age.
    "CREATE VIRTUAL TABLE journal_text USING fts5(prompt_text, answer_text, content='journal_content', "
    "content_rowid='journal_id', columnsize=0, tokenize='unicode61 remove_diacritics 0')",
    "CREATE TRIGGER journal_text_added AFTER INSERT ON journal_content BEGIN "
    "INSERT INTO journal_text (rowid, prompt_text, answer_text) "
    "VALUES (new.journal_id, new.prompt_text, new.answer_text); END",
    "CREATE TRIGGER journal_text_removed AFTER DELETE ON journal_content BEGIN "
    "INSERT INTO journal_text (journal_text, rowid, prompt_text, answer_text) "
    "VALUES ('delete', old.journal_id, old.prompt_text, old.answer_text); END",
    "INSERT INTO journal_text (journal_text) VALUES ('rebuild')",
)
# A tsvector holds a megabyte: of long texts the beginning is searched.
_WORDS = "to_tsvector('simple', left(coalesce({row}prompt_text, ''), 50000) || ' ' || left(coalesce({row}answer_text, ''), 50000))"  # noqa: E501
_POSTGRES = (
    "CREATE TABLE journal_text (journal_id BIGINT PRIMARY KEY REFERENCES journal_content ON DELETE CASCADE, "
    "words TSVECTOR NOT NULL)",
    "CREATE INDEX journal_text_words ON journal_text USING gin (words)",
    "CREATE OR REPLACE FUNCTION journal_text_add() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    f"INSERT INTO journal_text VALUES (NEW.journal_id, {_WORDS.format(row='NEW.')}); RETURN NULL; END $$",
    "CREATE TRIGGER journal_text_added AFTER INSERT ON journal_content "
    "FOR EACH ROW EXECUTE FUNCTION journal_text_add()",
    f"INSERT INTO journal_text SELECT journal_id, {_WORDS.format(row='')} FROM journal_content",
)


def upgrade() -> None:
    """Add the column and what is searched, and fill both."""
    is_postgres = op.get_bind().dialect.name == "postgresql"
    op.add_column("journal_content", sa.Column("size_bytes", sa.BigInteger, nullable=False, server_default="0"))
    length = "octet_length({})" if is_postgres else "length(CAST({} AS BLOB))"
    sizes = (f"coalesce({length.format(name)}, 0)" for name in ("prompt_text", "answer_text", "parameters"))
    op.execute(f"UPDATE journal_content SET size_bytes = {' + '.join(sizes)}")
    op.create_index("journal_content_journal_id_size_bytes", "journal_content", ["journal_id", "size_bytes"])
    for statement in _POSTGRES if is_postgres else _SQLITE:
        op.execute(statement)
