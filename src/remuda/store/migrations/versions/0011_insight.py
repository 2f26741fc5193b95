"""The journal tells for whom a request was made, how it was asked, what it cost and how well it went; and why it went
where it went, which stood in a table of its own: a second table cost each record as much as a quarter of all else."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, for which neither database rewrites a table, and bring the decisions over."""
    for column in (
        sa.Column("user_id", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("temperature", sa.Double),
        sa.Column("max_tokens", sa.BigInteger),
        sa.Column("is_truncated", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("cost_nano", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("energy_j", sa.Double),
        sa.Column("decisions", sa.Text),
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
    op.execute(
        "UPDATE journal SET decisions = (SELECT d.decisions FROM journal_decisions d WHERE d.journal_id = journal.id) "
        "WHERE id IN (SELECT journal_id FROM journal_decisions)"
    )
    op.drop_table("journal_decisions")
    op.add_column("journal_content", sa.Column("parameters", sa.Text))
