"""Servers elsewhere can be added while the gateway is in use."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "nodes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("kind", sa.Text),
        sa.Column("credential", sa.Text, nullable=False),
        sa.Column("slots", sa.Integer),
        sa.Column("weight", sa.Integer, nullable=False),
        sa.Column("is_drained", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="nodes_pkey"),
        sa.UniqueConstraint("name", name="nodes_name_key"),
        sa.UniqueConstraint("url", name="nodes_url_key"),
    )
