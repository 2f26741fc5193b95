"""That a task is over is told to whom it names."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "deliveries",
        sa.Column("seq", _ROW_ID, nullable=False, autoincrement=True),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("sent_at", sa.Double),
        sa.Column("delivered_at", sa.Double),
        sa.Column("sender", sa.Text),
        sa.Column("claims", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("task_state", sa.Text, nullable=False),
        sa.Column("task_created_at", sa.Double, nullable=False),
        sa.Column("task_started_at", sa.Double),
        sa.Column("task_finished_at", sa.Double),
        sa.Column("task_attempts", sa.Integer, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("dialect", sa.Text, nullable=False),
        sa.Column("time_limit_s", sa.Double, nullable=False),
        sa.Column("progress", sa.BigInteger, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("error_type", sa.Text, nullable=False),
        sa.Column("error_message", sa.Text, nullable=False),
        sa.Column("text", sa.Text),
        sa.PrimaryKeyConstraint("seq", name="deliveries_pkey"),
        sqlite_autoincrement=True,
    )
    for columns in (("state", "due_at"), ("task_id", "seq")):
        op.create_index(f"deliveries_{'_'.join(columns)}", "deliveries", columns)
