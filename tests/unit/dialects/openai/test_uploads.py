"""Files that are posted as forms."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from remuda.core.clock import SystemClock
from remuda.core.ids import random_ids
from remuda.core.keys import Scope
from remuda.dialects.openai.batches import BatchRoutes
from remuda.jobs.batches import Batches
from remuda.jobs.files import PLACE, FileBounds, Files
from remuda.store import open_store, store_url_in
from tests.fixtures.asgi import client, parts

FILE: dict[str, Any] = {"file": ("in.jsonl", b"{}\n")}
BATCH = {"purpose": "batch"}


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[Files]:
    store = await open_store(store_url_in(tmp_path))
    made = Files(store, tmp_path / "files", SystemClock(), random_ids(), FileBounds(file_bytes=2_000_000))
    made.open()
    yield made
    await store.close()


@pytest.fixture
async def caller(files: Files) -> AsyncIterator[httpx.AsyncClient]:
    batches = Batches(files._store, files, SystemClock(), random_ids())
    made = parts(keyed=True, batches=BatchRoutes(files, batches), max_body_bytes=1000)
    async with client(made, scope=Scope.INFERENCE) as one:
        yield one


def left_in(files: Files) -> list[str]:
    folder = files.path_of("file-" + "0" * 32).parent
    return [path.name for path in folder.iterdir() if path.name != PLACE]


async def test_a_file_longer_than_other_bodies_may_be(caller: httpx.AsyncClient, files: Files):
    content = b"x" * 1_500_000
    answer = await caller.post("/v2/files", data=BATCH, files={"file": ("a/b\\c ü.jsonl", content)})
    said = answer.json()
    assert answer.status_code == 200, said
    assert (said["object"], said["bytes"], said["filename"], said["purpose"], said["status"]) == (
        "file",
        1_500_000,
        "c ü.jsonl",
        "batch",
        "processed",
    )
    got = await caller.get(f"/v1/files/{said['id']}/content")
    assert got.content == content
    assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''c%20%C3%BC.jsonl"
    part = await caller.get(f"/v1/files/{said['id']}/content", headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, b"x" * 10)
    assert left_in(files) == [said["id"]]


async def test_fields_may_come_in_any_order_and_with_an_expiry(caller: httpx.AsyncClient):
    form = [
        ("file", ("in.jsonl", b"{}\n")),
        ("expires_after[seconds]", (None, b"3600")),
        ("expires_after[anchor]", (None, b"created_at")),
        ("purpose", (None, b"batch")),
        ("unknown", (None, b"x" * 10_000)),
    ]
    said = (await caller.post("/v1/files", files=form)).json()
    assert said["expires_at"] - said["created_at"] == 3600


@pytest.mark.parametrize(
    ("sent", "status", "param"),
    [
        ({"data": BATCH, "files": {"file": ("x", b"x" * 2_000_001)}}, 413, None),
        ({"data": BATCH, "files": {"file": ("x", b"x" * 3_000_000)}}, 413, None),
        ({"data": {"purpose": "assistants"}, "files": FILE}, 400, "purpose"),
        ({"data": {"purpose": ""}, "files": FILE}, 400, "purpose"),
        ({"files": FILE}, 400, "purpose"),
        ({"data": BATCH, "files": {"other": ("x", b"x")}}, 400, "file"),
        ({"data": BATCH, "files": [*FILE.items(), *FILE.items()]}, 400, "file"),
        ({"data": {"purpose": "x" * 5000}, "files": FILE}, 400, "purpose"),
        ({"data": BATCH | {"expires_after[seconds]": "3600"}, "files": FILE}, 400, "anchor"),
        ({"data": BATCH | {"expires_after[anchor]": "created_at"}, "files": FILE}, 400, "seconds"),
        (
            {"data": BATCH | {"expires_after[anchor]": "created_at", "expires_after[seconds]": "1"}, "files": FILE},
            400,
            "seconds",
        ),
        ({"json": {}}, 415, None),
        ({"content": b""}, 415, None),
        ({"content": b"--x\r\n", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400, None),
        ({"content": b"--xy", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400, None),
    ],
)
async def test_what_is_refused(caller: httpx.AsyncClient, files: Files, sent: Any, status: int, param: str | None):
    answer = await caller.post("/v1/files", **sent)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status, param), error
    assert left_in(files) == []
    assert files.coming_bytes == 0


async def test_a_body_that_does_not_say_how_long_it_is(caller: httpx.AsyncClient, files: Files):
    async def pieces() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\n'
        for _ in range(30):
            yield b"x" * 100_000

    answer = await caller.post(
        "/v1/files", content=pieces(), headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert left_in(files) == []
    other = await caller.post("/v1/batches", content=b"x" * 1001)
    assert other.status_code == 413
