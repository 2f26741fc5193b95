"""The tables of prices and budgets: a part of `schema`, whose `metadata` they share."""

from sqlalchemy import BigInteger, Column, Double, Index, Table, Text, text

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
