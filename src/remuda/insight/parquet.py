"""Rows as a Parquet file, written piece by piece. Needs the extra `parquet`."""

import asyncio
import io
from collections.abc import Mapping, Sequence
from enum import Enum
from importlib.util import find_spec
from typing import Any


class Kind(Enum):
    """What a column holds; any value may be missing."""

    TEXT = "string"
    WHOLE = "int64"
    NUMBER = "float64"
    FLAG = "bool"
    MOMENT = "timestamp"
    """Seconds since 1970; kept to the millisecond, in UTC."""


def is_there() -> bool:
    """Whether the library is installed."""
    return find_spec("pyarrow") is not None


class ParquetFile:
    """A file in the making: what is written so far has been handed out. The library works in threads."""

    def __init__(self, columns: Mapping[str, Kind]) -> None:
        self._columns = columns
        self._made = io.BytesIO()
        self._writer: Any = None
        self._schema: Any = None

    async def add(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        """What the file goes on with for these rows; only what is a column of them counts."""
        return await asyncio.to_thread(self._add, rows)

    async def end(self) -> bytes:
        """The end of the file."""
        return await asyncio.to_thread(self._end)

    def _open(self) -> None:
        import pyarrow as pa  # the import alone takes a third of a second
        from pyarrow import parquet

        moment = pa.timestamp("ms", tz="UTC")
        self._schema = pa.schema(
            (name, moment if kind is Kind.MOMENT else pa.type_for_alias(kind.value))
            for name, kind in self._columns.items()
        )
        self._writer = parquet.ParquetWriter(pa.PythonFile(_Sink(self._made), mode="w"), self._schema)

    def _add(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        if self._writer is None:
            self._open()
        import pyarrow as pa

        columns = [_values(rows, name, kind) for name, kind in self._columns.items()]
        arrays = [pa.array(values, type=field.type) for values, field in zip(columns, self._schema, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        return self._taken()

    def _end(self) -> bytes:
        if self._writer is None:
            self._open()
        self._writer.close()
        return self._taken()

    def _taken(self) -> bytes:
        made = self._made.getvalue()
        self._made.seek(0)
        self._made.truncate()
        return made


class _Sink(io.RawIOBase):
    """Takes what is written, and knows how far the file has come though its beginning is gone."""

    def __init__(self, made: io.BytesIO) -> None:
        self._made = made
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._size += len(data)
        return self._made.write(data)

    def tell(self) -> int:
        return self._size


def _values(rows: Sequence[Mapping[str, Any]], name: str, kind: Kind) -> list[Any]:
    values = [row[name] for row in rows]
    if kind is Kind.MOMENT:
        return [None if value is None else int(value * 1000) for value in values]
    if kind is Kind.TEXT:  # half a surrogate pair has no UTF-8
        return [None if value is None else value.encode("utf-8", "replace").decode() for value in values]
    return values
