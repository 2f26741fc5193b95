"""Files are kept, and batches of asks."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables, and let tasks belong to a batch."""
    op.create_table(
        "files",
        sa.Column("seq", _ROW_ID, nullable=False, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("place", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="files_pkey"),
        sa.UniqueConstraint("id", name="files_id_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("files_key_id_seq", "files", ("key_id", "seq"))
    op.create_index("files_expires_at", "files", ("expires_at",))
    op.create_table(
        "batches",
        sa.Column("seq", _ROW_ID, nullable=False, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("ending", sa.Text),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("input_file_id", sa.Text, nullable=False),
        sa.Column("output_file_id", sa.Text, nullable=False),
        sa.Column("error_file_id", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("errors", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("in_progress_at", sa.Double),
        sa.Column("finalizing_at", sa.Double),
        sa.Column("cancelling_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("output_keep_s", sa.Double),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("completed", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("input_bytes", sa.BigInteger, nullable=False),
        sa.Column("fed_bytes", sa.BigInteger, nullable=False),
        sa.Column("fed_lines", sa.BigInteger, nullable=False),
        sa.Column("output_bytes", sa.BigInteger, nullable=False),
        sa.Column("error_bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="batches_pkey"),
        sa.UniqueConstraint("id", name="batches_id_key"),
        sqlite_autoincrement=True,
    )
    for columns in (("key_id", "seq"), ("state", "seq"), ("input_file_id",)):
        op.create_index(f"batches_{'_'.join(columns)}", "batches", columns)
    op.add_column("tasks", sa.Column("batch_id", sa.Text))
    op.add_column("tasks", sa.Column("custom_id", sa.Text))
    op.add_column("tasks", sa.Column("line", sa.BigInteger))
    in_batch = sa.text("batch_id IS NOT NULL")
    op.create_index(
        "tasks_batch_id_line",
        "tasks",
        ("batch_id", "line"),
        sqlite_where=in_batch,
        postgresql_where=in_batch,
    )
