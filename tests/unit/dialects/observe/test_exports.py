"""Entries of the journal as files."""

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from remuda.dialects.observe.exports import (
    CSV_COLUMNS,
    JSON_FIELDS,
    PARQUET_COLUMNS,
    ExportRoutes,
    csv_pieces,
    json_pieces,
    parquet_pieces,
    preview,
    row_shown,
)
from remuda.insight.parquet import is_there
from remuda.store.journal_reading import JournalEntry
from tests.contract.store.samples import a_record
from tests.fixtures.asgi import client, parts
from tests.fixtures.parts import missing

PLAIN = a_record(1, model="m", temperature=0.5, max_tokens=9, prompt_text="p" * 101, answer_text='a "b", c\nd')


async def given(*parts: list[Any]) -> AsyncIterator[list[JournalEntry]]:
    number = 0
    for part in parts:
        number += len(part)
        yield [JournalEntry(number - at, record, 0.5) for at, record in enumerate(part)]


async def rows(*parts: list[Any]) -> list[dict[str, str]]:
    text = b"".join([piece async for piece in csv_pieces(given(*parts))]).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_csv() -> None:
    first, second = await rows([PLAIN], [a_record(2, status=500, fault="upstream_failed", is_streamed=True)])
    assert tuple(first) == CSV_COLUMNS
    assert first["timestamp"].endswith("Z")
    assert (first["model_name"], first["temperature"], first["max_tokens"]) == ("m", "0.5", "9")
    assert first["input_text_preview"] == "p" * 100 + "..."
    assert first["output_text_preview"] == 'a "b", c\nd'
    assert (second["error_message"], second["is_streaming"], second["input_text_preview"]) == (
        "upstream_failed",
        "True",
        "",
    )


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "\uff1d1"])
async def test_no_cell_is_a_formula(text: str) -> None:
    [row] = await rows([a_record(1, model=text, prompt_text=text, answer_text="1-1")])
    assert (row["model_name"], row["input_text_preview"]) == ("'" + text, "'" + text)
    assert row["output_text_preview"] == "1-1"


async def test_csv_of_nothing_names_its_columns() -> None:
    assert [piece async for piece in csv_pieces(given())] == [(",".join(CSV_COLUMNS) + "\r\n").encode()]


@pytest.mark.parametrize("parts", [[], [[PLAIN]], [[PLAIN, PLAIN], [PLAIN]]])
async def test_json(parts: list[list[Any]]) -> None:
    found = json.loads(b"".join([piece async for piece in json_pieces(given(*parts))]))
    assert len(found) == sum(map(len, parts))
    for each in found:
        assert tuple(each) == JSON_FIELDS
        assert (each["input_text"], each["request_metadata"]) == ("p" * 101, {"temperature": 0.5, "max_tokens": 9})


async def test_parquet() -> None:
    if not is_there():
        missing("pyarrow (pip install 'remuda[parquet]')")
    from pyarrow import parquet

    file = b"".join([piece async for piece in parquet_pieces(given([PLAIN], [PLAIN]))])
    table = parquet.read_table(io.BytesIO(file))
    assert table.column_names == list(PARQUET_COLUMNS)
    assert [row["input_text"] for row in table.to_pylist()] == ["p" * 101] * 2


def test_previews() -> None:
    assert [preview(text) for text in (None, "", "x" * 100, "x" * 101)] == [None, "", "x" * 100, "x" * 100 + "..."]
    assert row_shown(JournalEntry(1, PLAIN))["timestamp"].endswith("Z")


async def test_without_the_library_parquet_is_not_offered() -> None:
    class Nothing:
        def entries(self, wanted: Any, *, chars: int | None = None) -> AsyncIterator[list[JournalEntry]]:
            return given()

    routes = ExportRoutes(cast(Any, Nothing()), has_parquet=lambda: False)
    async with client(parts(observe=[routes])) as caller:
        answer = await caller.get("/api/export/parquet")
        assert (answer.status_code, (await caller.get("/api/export/json")).json()) == (501, [])
    assert "pip install 'remuda[parquet]'" in answer.json()["detail"]
