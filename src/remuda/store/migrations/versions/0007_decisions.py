"""The journal tells why a request went where it went."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "journal_decisions",
        sa.Column("journal_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("decisions", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("journal_id", name="journal_decisions_pkey"),
        sa.ForeignKeyConstraint(
            ["journal_id"], ["journal.id"], name="journal_decisions_journal_id_fkey", ondelete="CASCADE"
        ),
    )
