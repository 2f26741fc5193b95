"""The tables of comparisons and suggestions: a part of `schema`, whose `metadata` they share."""

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Integer, Table, Text, text

from remuda.store.schema import metadata, row_id

comparisons = Table(
    "comparisons",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("model_a", Text, nullable=False),
    Column("model_b", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("prompts", Integer, nullable=False),
    Column("repeats", Integer, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("winner", Text),
    Column("reasons", Text, nullable=False),
    Column("error", Text),
    Column("results", Text),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Index(None, "key_id", "id"),
    Index(None, "state", "id"),
    sqlite_autoincrement=True,
)
"""Two models that are asked the same. `parameters`, `reasons`, `results`: JSON."""

comparison_prompts = Table(
    "comparison_prompts",
    metadata,
    Column(
        "comparison_id", row_id, ForeignKey("comparisons.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("prompt", Integer, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
)
"""What they are asked, in JSON: a text, or the messages of a chat."""

comparison_runs = Table(
    "comparison_runs",
    metadata,
    Column(
        "comparison_id", row_id, ForeignKey("comparisons.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("side", Text, nullable=False),
    Column("prompt", Integer, nullable=False),
    Column("repeat", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("task_id", Text, unique=True),
    Column("journal_id", BigInteger),
    Column("latency_s", Double),
    Column("ttft_s", Double),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cost_nano", BigInteger, nullable=False),
    Column("answer", Text),
    Column("error", Text),
)
"""Each time one of them is asked. What it took is written by the transaction that adds it to the journal."""

suggestions = Table(
    "suggestions",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("suggestion_type", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("potential_improvement", Text, nullable=False),
    Column("expected_gain", Text),
    Column("evidence", Text, nullable=False),
    Column("changes", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("measured_at", Double, nullable=False),
    Column("ended_at", Double),
    # Of each rule one for each model is open, however many gateways look for them.
    Index(
        "suggestions_open_key",
        "rule",
        "model_name",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    Index(None, "state", "id"),
    sqlite_autoincrement=True,
)
"""What the journal suggests. `evidence`, `changes`: JSON. `ended_at`: when it was implemented or dismissed."""
