"""Models have prices."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "prices",
        sa.Column("seq", _ROW_ID, nullable=False, autoincrement=True),
        sa.Column("id", sa.BigInteger, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("input_nano", sa.BigInteger, nullable=False),
        sa.Column("output_nano", sa.BigInteger, nullable=False),
        sa.Column("cached_nano", sa.BigInteger),
        sa.Column("electricity_nano", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("valid_from", sa.Double, nullable=False),
        sa.Column("valid_until", sa.Double),
        sa.PrimaryKeyConstraint("seq", name="prices_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "prices_model_key",
        "prices",
        ["model"],
        unique=True,
        sqlite_where=sa.text("valid_until IS NULL"),
        postgresql_where=sa.text("valid_until IS NULL"),
    )
    op.create_index("prices_id_seq", "prices", ["id", "seq"])
