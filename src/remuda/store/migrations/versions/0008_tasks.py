"""Asks can be answered later."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "tasks",
        sa.Column("seq", _ROW_ID, nullable=False, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("urgency", sa.Integer, nullable=False),
        sa.Column("rank", sa.Double, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("dialect", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("webhook", sa.Text),
        sa.Column("time_limit_s", sa.Double, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("worker", sa.Text),
        sa.Column("claims", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("progress", sa.BigInteger, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("error_type", sa.Text, nullable=False),
        sa.Column("error_message", sa.Text, nullable=False),
        sa.Column("text", sa.Text),
        sa.Column("result", sa.LargeBinary),
        sa.PrimaryKeyConstraint("seq", name="tasks_pkey"),
        sa.UniqueConstraint("id", name="tasks_id_key"),
        sa.UniqueConstraint("key_id", "idempotency_key", name="tasks_key_id_idempotency_key_key"),
        sqlite_autoincrement=True,
    )
    for columns in (
        ("state", "model", "urgency", "rank", "seq"),
        ("key_id", "state", "model", "urgency", "rank"),
        ("state", "due_at"),
        ("key_id", "seq"),
        ("user_id", "seq"),
    ):
        op.create_index(f"tasks_{'_'.join(columns)}", "tasks", columns)
