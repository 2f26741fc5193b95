"""The table of how busy machines were, beside those of `schema.py`."""

from sqlalchemy import BigInteger, Column, Double, Table, Text

from remuda.store.schema import metadata

machine_minutes = Table(
    "machine_minutes",
    metadata,
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("machine", Text, primary_key=True),
    Column("cpu_percent", Double, nullable=False),
    Column("memory_percent", Double, nullable=False),
    Column("gpu_percent", Double),
)
"""One row a minute and machine that a gateway runs on; `minute`: since 1970."""
