"""Document S3, rows 140 and 141: the journal as a file, whatever its size."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from remuda.core.keys import Key, Scope, digest_of
from remuda.dialects.observe.exports import CSV_COLUMNS
from remuda.insight.parquet import is_there
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.keys import create_key
from tests.contract.store.samples import a_record
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.parts import missing

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = 1200
"""Entries: more than are read at once."""
NAME = re.compile(r'attachment; filename="llm_lens_export_\d{8}_\d{6}\.(\w+)"')
SECRETS = {"boss": "rmd_the-boss-secret", "ann": "rmd_anns-own-secret"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningGateway]:
    data_dir: Path = tmp_path_factory.mktemp("gateway")
    async with running_gateway(data_dir, upstreams=[{"url": "http://127.0.0.1:9/v1", "models": ["m0"]}]) as running:
        store, now = running.remuda.store, running.remuda.clock.wall()
        records = [
            a_record(
                number,
                started_at=now - number,
                model=f"m{number % 3}",
                key_id="ann" if number % 10 == 0 else "other",
                prompt_text="=1+1" if number == 5 else "Grüße " * 50,
                answer_text="answer",
                status=500 if number == 7 else 200,
                fault="upstream_failed" if number == 7 else "",
            )
            for number in reversed(range(MANY))
        ]
        await write_batches(store, [Batch("w", 1, records)], now, is_durable=False)
        for name, secret in SECRETS.items():
            scopes = frozenset({Scope.ADMIN} if name == "boss" else {Scope.READ})
            await create_key(store, Key(name, name, digest_of(secret.encode()), "rmd_", scopes, 0.0))
        await running.until(lambda: len(running.remuda.credentials) == 2, "the keys are known")
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def client(gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {SECRETS['boss']}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, trust_env=False, timeout=60) as made:
        yield made


def rows_in(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def test_csv(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/export/csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "content-length" not in answer.headers
    name = NAME.fullmatch(answer.headers["content-disposition"])
    assert name is not None
    assert name[1] == "csv"
    rows = rows_in(answer)
    assert len(rows) == MANY
    assert tuple(rows[0]) == CSV_COLUMNS
    assert rows[0]["input_text_preview"] == ("Grüße " * 50)[:100] + "..."
    assert rows[5]["input_text_preview"] == "'=1+1"
    assert rows[7]["error_message"] == "upstream_failed"
    assert [row["timestamp"] for row in rows] == sorted((row["timestamp"] for row in rows), reverse=True)


async def test_json(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/export/json?hours=24")
    assert answer.headers["content-type"] == "application/json"
    entries = answer.json()
    assert len({entry["id"] for entry in entries}) == MANY
    assert entries[0]["input_text"] == "Grüße " * 50
    assert entries[0]["output_text"] == "answer"


async def test_parquet(client: httpx.AsyncClient) -> None:
    if not is_there():
        missing("pyarrow (pip install 'remuda[parquet]')")
    from pyarrow import parquet

    answer = await client.get("/api/export/parquet?status=success")
    table = parquet.read_table(io.BytesIO(answer.content))
    assert table.num_rows == MANY - 1
    assert table["input_text"][0].as_py() == "Grüße " * 50
    assert table["timestamp"].type.tz == "UTC"


async def test_filters(client: httpx.AsyncClient) -> None:
    assert len(rows_in(await client.get("/api/export/csv?model=m1"))) == MANY / 3
    assert len(rows_in(await client.get("/api/export/csv?key=ann&model=m0"))) == MANY / 30
    assert len((await client.get("/api/export/json?status=error")).json()) == 1
    assert (await client.get("/api/export/json?model=none")).json() == []
    assert len(rows_in(await client.get("/api/export/csv?hours=1"))) == MANY
    assert rows_in(await client.get("/api/export/csv?to=2020-01-01")) == []


async def test_who_may_not_manage_gets_its_own(gateway: RunningGateway) -> None:
    headers = {"X-API-Key": SECRETS["ann"]}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, trust_env=False) as client:
        assert len(rows_in(await client.get("/api/export/csv"))) == MANY / 10
        assert (await client.get("/api/export/csv?key=other")).status_code == 403


@pytest.mark.parametrize("query", ["hours=x", "hours=0", "from=1", "status=bad", "text="])
async def test_nonsense(client: httpx.AsyncClient, query: str) -> None:
    for kind in ("csv", "json", "parquet"):
        answer = await client.get(f"/api/export/{kind}?{query}")
        assert answer.status_code == 400
        assert query.partition("=")[0] in answer.json()["detail"]


async def test_another_format(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/export/xml")
    assert (answer.status_code, list(answer.json())) == (404, ["detail"])


async def test_a_head_only(client: httpx.AsyncClient) -> None:
    answer = await client.head("/api/export/csv")
    assert (answer.status_code, answer.content) == (200, b"")
    assert NAME.fullmatch(answer.headers["content-disposition"])


async def test_who_leaves_has_nothing_more_read(gateway: RunningGateway, client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/api/export/json") as answer:
        pieces = answer.aiter_raw()
        assert (await anext(pieces)).startswith(b"[\n")
    assert len(json.loads((await client.get("/api/export/json?status=error")).content)) == 1
