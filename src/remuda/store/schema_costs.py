"""The tables of prices and budgets: a part of `schema`, whose `metadata` they share."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, Table, Text, UniqueConstraint, text

from remuda.store.schema import metadata, row_id

prices = Table(
    "prices",
    metadata,
    Column("seq", row_id, primary_key=True),
    # Given out by the `price` counter: the same for all that a model has cost, one row after the other.
    Column("id", BigInteger, nullable=False),
    Column("model", Text, nullable=False),
    Column("input_nano", BigInteger, nullable=False),
    Column("output_nano", BigInteger, nullable=False),
    Column("cached_nano", BigInteger),
    Column("electricity_nano", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("valid_from", Double, nullable=False),
    Column("valid_until", Double),
    Index(
        "prices_model_key",
        "model",
        unique=True,
        sqlite_where=text("valid_until IS NULL"),
        postgresql_where=text("valid_until IS NULL"),
    ),
    Index(None, "id", "seq"),
    sqlite_autoincrement=True,
)
"""What models cost, and have cost. Requests are charged when they are recorded: no price ever changes what is past.
`created_at`: when the model first had a price."""

budgets = Table(
    "budgets",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("amount_nano", BigInteger, nullable=False),
    Column("scope", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("is_hard", Boolean, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("usage_nano", BigInteger, nullable=False),
    Column("period_start", Double, nullable=False),
    Column("reset_at", Double),
    Column("told", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    sqlite_autoincrement=True,
)
"""Budgets. What is used of them is written by whoever adds to the journal, in the same transaction."""

budget_events = Table(
    "budget_events",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("budget_id", BigInteger, nullable=False),
    Column("budget_name", Text, nullable=False),
    Column("percent", Integer, nullable=False),
    Column("usage_nano", BigInteger, nullable=False),
    Column("amount_nano", BigInteger, nullable=False),
    Column("period_start", Double, nullable=False),
    Column("at", Double, nullable=False),
    Column("told_at", Double),
    UniqueConstraint("budget_id", "period_start", "percent"),
    Index(
        "budget_events_untold",
        "id",
        sqlite_where=text("told_at IS NULL"),
        postgresql_where=text("told_at IS NULL"),
    ),
    sqlite_autoincrement=True,
)
"""How much of a budget was used, and when. `told_at`: when a gateway took it upon itself to tell."""
