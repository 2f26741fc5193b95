"""The tables of what requests came to, beside those of `schema.py`."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from remuda.core.tally import EXTREMES, SKETCHED, Counts
from remuda.store.schema import metadata

rollups = Table(
    "rollups",
    metadata,
    Column("grain", Integer, primary_key=True),
    Column("dimension", Text, primary_key=True),
    # Before the value: what is written together, the values of one span, then lies together.
    Column("bucket", BigInteger, primary_key=True),
    Column("value", Text, primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in Counts._fields),
    *(Column(f"low_{name}", BigInteger, nullable=False) for name in EXTREMES),
    *(Column(f"high_{name}", BigInteger, nullable=False) for name in EXTREMES),
    *(Column(f"sketch_{name}", LargeBinary, nullable=False) for name in SKETCHED),
    Index(None, "grain", "dimension", "value", "bucket"),
    sqlite_with_rowid=False,
)
"""What the requests of one value of one dimension came to that started within `grain` seconds from `bucket` on (since
1970). See `core.tally` for the units."""

rollup_marks = Table(
    "rollup_marks",
    metadata,
    Column("grain", Integer, primary_key=True, autoincrement=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
)
"""From when until when each grain is kept: see `core.spans.Mark`."""
