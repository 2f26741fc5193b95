"""There are budgets, and of costs it is told how much is for electricity."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables, and add the column; neither database rewrites a table for it."""
    op.add_column("journal", sa.Column("electricity_nano", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "budgets",
        sa.Column("id", _ROW_ID, nullable=False, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("amount_nano", sa.BigInteger, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("is_hard", sa.Boolean, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("usage_nano", sa.BigInteger, nullable=False),
        sa.Column("period_start", sa.Double, nullable=False),
        sa.Column("reset_at", sa.Double),
        sa.Column("told", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="budgets_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "budget_events",
        sa.Column("id", _ROW_ID, nullable=False, autoincrement=True),
        sa.Column("budget_id", sa.BigInteger, nullable=False),
        sa.Column("budget_name", sa.Text, nullable=False),
        sa.Column("percent", sa.Integer, nullable=False),
        sa.Column("usage_nano", sa.BigInteger, nullable=False),
        sa.Column("amount_nano", sa.BigInteger, nullable=False),
        sa.Column("period_start", sa.Double, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("told_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="budget_events_pkey"),
        sa.UniqueConstraint(
            "budget_id", "period_start", "percent", name="budget_events_budget_id_period_start_percent_key"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "budget_events_untold",
        "budget_events",
        ["id"],
        sqlite_where=sa.text("told_at IS NULL"),
        postgresql_where=sa.text("told_at IS NULL"),
    )
