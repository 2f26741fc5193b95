"""The first version: counters, keys, the journal."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and the two counters at zero."""
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="counters_pkey"),
    )
    op.bulk_insert(counters, [{"name": "revision", "value": 0}, {"name": "journal", "value": 0}])
    op.create_table(
        "keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("revoked_at", sa.Double),
        sa.Column("last_used_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="keys_pkey"),
        sa.UniqueConstraint("digest", name="keys_digest_key"),
    )
    op.create_table(
        "journal",
        sa.Column("id", row_id, nullable=False, autoincrement=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("dialect", sa.Text, nullable=False),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("replica", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("fault", sa.Text, nullable=False),
        sa.Column("is_streamed", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("queue_wait_s", sa.Double, nullable=False),
        sa.Column("ttft_s", sa.Double),
        sa.Column("duration_s", sa.Double, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("tokens_estimated", sa.Boolean, nullable=False),
        sa.Column("bytes_in", sa.BigInteger, nullable=False),
        sa.Column("bytes_out", sa.BigInteger, nullable=False),
        sa.Column("finish_reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="journal_pkey"),
    )
    op.create_index("journal_started_at", "journal", ["started_at"])
    op.create_index("journal_model_id", "journal", ["model", "id"])
    op.create_index("journal_key_id_id", "journal", ["key_id", "id"])
    op.create_table(
        "journal_content",
        sa.Column("journal_id", row_id, nullable=False, autoincrement=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("prompt_text", sa.Text),
        sa.Column("answer_text", sa.Text),
        sa.PrimaryKeyConstraint("journal_id", name="journal_content_pkey"),
        sa.ForeignKeyConstraint(
            ["journal_id"], ["journal.id"], name="journal_content_journal_id_fkey", ondelete="CASCADE"
        ),
    )
    op.create_index("journal_content_started_at", "journal_content", ["started_at"])
    op.create_table(
        "journal_writers",
        sa.Column("writer", sa.Text, nullable=False),
        sa.Column("last_batch", sa.BigInteger, nullable=False),
        sa.Column("committed_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("writer", name="journal_writers_pkey"),
    )
