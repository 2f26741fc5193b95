"""Models are compared, and suggestions are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "comparisons",
        sa.Column("id", _ROW_ID, nullable=False, autoincrement=True),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("model_a", sa.Text, nullable=False),
        sa.Column("model_b", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("prompts", sa.Integer, nullable=False),
        sa.Column("repeats", sa.Integer, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("winner", sa.Text),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("results", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="comparisons_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_index("comparisons_key_id_id", "comparisons", ["key_id", "id"])
    op.create_index("comparisons_state_id", "comparisons", ["state", "id"])
    op.create_table(
        "comparison_prompts",
        sa.Column("comparison_id", _ROW_ID, nullable=False, autoincrement=False),
        sa.Column("prompt", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("comparison_id", "prompt", name="comparison_prompts_pkey"),
        sa.ForeignKeyConstraint(
            ["comparison_id"],
            ["comparisons.id"],
            name="comparison_prompts_comparison_id_fkey",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "comparison_runs",
        sa.Column("comparison_id", _ROW_ID, nullable=False, autoincrement=False),
        sa.Column("place", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("prompt", sa.Integer, nullable=False),
        sa.Column("repeat", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("task_id", sa.Text),
        sa.Column("journal_id", sa.BigInteger),
        sa.Column("latency_s", sa.Double),
        sa.Column("ttft_s", sa.Double),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_nano", sa.BigInteger, nullable=False),
        sa.Column("answer", sa.Text),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("comparison_id", "place", name="comparison_runs_pkey"),
        sa.ForeignKeyConstraint(
            ["comparison_id"],
            ["comparisons.id"],
            name="comparison_runs_comparison_id_fkey",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("task_id", name="comparison_runs_task_id_key"),
    )
    op.create_table(
        "suggestions",
        sa.Column("id", _ROW_ID, nullable=False, autoincrement=True),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("model_name", sa.Text, nullable=False),
        sa.Column("suggestion_type", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("priority", sa.Text, nullable=False),
        sa.Column("potential_improvement", sa.Text, nullable=False),
        sa.Column("expected_gain", sa.Text),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("changes", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("measured_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="suggestions_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "suggestions_open_key",
        "suggestions",
        ["rule", "model_name"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index("suggestions_state_id", "suggestions", ["state", "id"])
