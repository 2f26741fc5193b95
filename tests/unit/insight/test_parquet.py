"""Rows written piece by piece are one file, which other programs read."""

import io
from datetime import UTC, datetime

import pytest

from remuda.insight.parquet import Kind, ParquetFile, is_there
from tests.fixtures.parts import missing

COLUMNS = {"a": Kind.WHOLE, "t": Kind.MOMENT, "s": Kind.TEXT, "b": Kind.FLAG, "n": Kind.NUMBER}


@pytest.fixture(autouse=True)
def _library() -> None:
    if not is_there():
        missing("pyarrow (pip install 'remuda[parquet]')")


def read(file: bytes) -> list[dict[str, object]]:
    from pyarrow import parquet

    rows: list[dict[str, object]] = parquet.read_table(io.BytesIO(file)).to_pylist()
    return rows


async def test_pieces_make_a_file():
    file = ParquetFile(COLUMNS)
    first = await file.add([{"a": 1, "t": 1e9 + 0.5, "s": "x\ud800", "b": True, "n": None, "other": 1}])
    assert first.startswith(b"PAR1")
    second = await file.add([{"a": None, "t": None, "s": None, "b": None, "n": 1.5}] * 3)
    assert not second.startswith(b"PAR1")
    rows = read(first + second + await file.end())
    moment = datetime.fromtimestamp(1e9, UTC).replace(microsecond=500_000)
    assert rows[0] == {"a": 1, "t": moment, "s": "x?", "b": True, "n": None}
    assert rows[1:] == [{"a": None, "t": None, "s": None, "b": None, "n": 1.5}] * 3


async def test_a_file_without_rows():
    assert read(await ParquetFile(COLUMNS).end()) == []
