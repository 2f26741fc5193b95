"""Tasks are found by their model, and those that were cancelled while they ran; a batch is made once for a key."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_LET_GO = "worker IS NOT NULL AND finished_at IS NOT NULL"


def upgrade() -> None:
    """Create the indexes, and the column for the key."""
    op.create_index("tasks_model_seq", "tasks", ["model", "seq"])
    op.create_index(
        "tasks_finished_at", "tasks", ["finished_at"], sqlite_where=sa.text(_LET_GO), postgresql_where=sa.text(_LET_GO)
    )
    op.add_column("batches", sa.Column("idempotency_key", sa.Text))
    op.create_index("batches_key_id_idempotency_key", "batches", ["key_id", "idempotency_key"], unique=True)
