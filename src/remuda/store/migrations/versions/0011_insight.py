"""The journal tells for whom a request was made, how it was asked, what it cost and how well it went."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; neither database rewrites a table for them."""
    for column in (
        sa.Column("user_id", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("temperature", sa.Double),
        sa.Column("max_tokens", sa.BigInteger),
        sa.Column("is_truncated", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("cost_nano", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("energy_j", sa.Double),
        sa.Column("score", sa.Double, nullable=False, server_default="0"),
    ):
        op.add_column("journal", column)
    op.create_index(
        "journal_user_id_id",
        "journal",
        ["user_id", "id"],
        sqlite_where=sa.text("user_id <> ''"),
        postgresql_where=sa.text("user_id <> ''"),
    )
    op.add_column("journal_content", sa.Column("parameters", sa.Text))
