"""What requests came to is added up as they are recorded, and the journal as it is, little by little."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_COUNTS = (
    "requests", "errors", "streamed", "truncated", "prompt_tokens", "completion_tokens", "cached_tokens", "latency_us",
    "first_tokens", "ttft_us", "rated", "rate_milli", "queue_wait_us", "score_e4", "cost_nano", "electricity_nano",
    "metered", "energy_mj",
)  # fmt: skip
_EXTREMES = ("latency_us", "ttft_us", "rate_milli", "queue_wait_us", "score_e4")
_SKETCHED = ("latency_us", "ttft_us", "rate_milli")
_ALWAYS = 2**40


def upgrade() -> None:
    """Create the tables. What the journal holds is rolled up after the start: the counter says up to which id that is
    still to be done; what is recorded from now on is of the past for it, and added to all grains."""
    op.create_table(
        "rollups",
        sa.Column("grain", sa.Integer, nullable=False),
        sa.Column("dimension", sa.Text, nullable=False),
        sa.Column("bucket", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _COUNTS),
        *(sa.Column(f"{side}_{name}", sa.BigInteger, nullable=False) for side in ("low", "high") for name in _EXTREMES),
        *(sa.Column(f"sketch_{name}", sa.LargeBinary, nullable=False) for name in _SKETCHED),
        sa.PrimaryKeyConstraint("grain", "dimension", "bucket", "value", name="rollups_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("rollups_grain_dimension_value_bucket", "rollups", ["grain", "dimension", "value", "bucket"])
    marks = op.create_table(
        "rollup_marks",
        sa.Column("grain", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("grain", name="rollup_marks_pkey"),
    )
    connection = op.get_bind()
    newest = int(connection.execute(sa.text("SELECT max(started_at) FROM journal")).scalar() or 0)
    op.bulk_insert(
        marks,
        [
            {"grain": 60, "since": 0, "until": _ALWAYS},
            *({"grain": grain, "since": 0, "until": newest // grain * grain} for grain in (300, 3600, 86_400)),
        ],
    )
    op.execute("INSERT INTO counters (name, value) SELECT 'rollups', value FROM counters WHERE name = 'journal'")
