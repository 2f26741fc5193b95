"""How busy machines were is kept minute by minute."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "machine_minutes",
        sa.Column("minute", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("machine", sa.Text, nullable=False),
        sa.Column("cpu_percent", sa.Double, nullable=False),
        sa.Column("memory_percent", sa.Double, nullable=False),
        sa.Column("gpu_percent", sa.Double),
        sa.PrimaryKeyConstraint("minute", "machine", name="machine_minutes_pkey"),
    )
