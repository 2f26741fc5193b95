"""Files and batches as OpenAI's clients see them; what becomes of them is in tests/acceptance/test_batches.py."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from remuda.core.clock import SystemClock
from remuda.core.keys import Scope
from remuda.dialects.kit.access import Policy
from remuda.dialects.openai.batches import RULES, BatchRoutes
from remuda.store import open_store, store_url_in
from tests.fixtures.asgi import client, parts
from tests.unit.jobs.batch_rig import URL, Rig, a_line, jsonl

NOBODYS = "file-" + "0" * 32


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    store = await open_store(store_url_in(tmp_path))
    yield Rig(store, tmp_path / "files", SystemClock())
    await store.close()


def client_with(rig: Rig, scope: Scope) -> httpx.AsyncClient:
    return client(parts(keyed=True, batches=BatchRoutes(rig.files, rig.batches)), scope=scope)


@pytest.fixture
async def caller(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    async with client_with(rig, Scope.INFERENCE) as one:
        yield one


async def upload(caller: httpx.AsyncClient, content: bytes = b"{}") -> str:
    sent = await caller.post("/v1/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", content)})
    id_: str = sent.json()["id"]
    return id_


async def create(caller: httpx.AsyncClient, **values: Any) -> httpx.Response:
    usual = {"endpoint": URL, "completion_window": "24h"}
    return await caller.post("/v1/batches", json={**usual, **values})


async def test_files_page_by_page(caller: httpx.AsyncClient):
    ids = [await upload(caller) for _ in range(3)]
    first = (await caller.get("/v1/files?limit=2")).json()
    assert [file["id"] for file in first["data"]] == ids[:0:-1]
    assert (first["object"], first["has_more"], first["first_id"], first["last_id"]) == ("list", True, ids[2], ids[1])
    rest = (await caller.get(f"/v1/files?after={ids[1]}")).json()
    assert ([file["id"] for file in rest["data"]], rest["has_more"]) == (ids[:1], False)
    upwards = (await caller.get("/v1/files?order=asc&purpose=batch")).json()
    assert [file["id"] for file in upwards["data"]] == ids
    none = (await caller.get("/v1/files?purpose=assistants")).json()
    assert (none["data"], none["last_id"]) == ([], None)


@pytest.mark.parametrize(
    ("query", "status"),
    [("limit=0", 400), ("limit=10001", 400), ("limit=x", 400), ("order=up", 400), (f"after={NOBODYS}", 404)],
)
async def test_lists_that_cannot_be(caller: httpx.AsyncClient, query: str, status: int):
    assert (await caller.get(f"/v1/files?{query}")).status_code == status


async def test_a_file_that_is_deleted_is_gone(caller: httpx.AsyncClient):
    id_ = await upload(caller)
    assert (await caller.delete(f"/v1/files/{id_}")).json() == {"id": id_, "object": "file", "deleted": True}
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content")):
        answer = await caller.request(method, f"/v1/files/{id_}{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "file_not_found")
    assert (await create(caller, input_file_id=id_)).status_code == 404


@pytest.mark.parametrize(
    ("values", "status", "param"),
    [
        ({"endpoint": "/v1/audio/speech"}, 400, "endpoint"),
        ({"completion_window": "1h"}, 400, "completion_window"),
        ({"input_file_id": NOBODYS}, 404, None),
        ({"input_file_id": "../../etc/passwd"}, 404, None),
        ({"input_file_id": 7}, 400, "input_file_id"),
        ({"metadata": {"a": 7}}, 400, "metadata[...]"),
        ({"metadata": {f"k{n}": "" for n in range(17)}}, 400, "metadata"),
        ({"metadata": {"a": "x" * 513}}, 400, "metadata[...]"),
        ({"metadata": {"a": "\x00"}}, 400, None),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, 400, "output_expires_after.seconds"),
    ],
)
async def test_batches_that_cannot_be(caller: httpx.AsyncClient, values: Any, status: int, param: str | None):
    answer = await create(caller, **{"input_file_id": await upload(caller), **values})
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param), answer.json()
    assert (await caller.get("/v1/batches")).json()["data"] == []


async def test_a_batch_and_what_is_wrong_with_its_file(caller: httpx.AsyncClient, rig: Rig):
    made = (await create(caller, input_file_id=await upload(caller, jsonl([a_line(1)]) * 2))).json()
    assert made["status"] == "validating"
    await rig.turn(made["id"])
    failed = (await caller.get(f"/v2/batches/{made['id']}")).json()
    assert (failed["status"], failed["request_counts"]) == ("failed", {"total": 0, "completed": 0, "failed": 0})
    assert failed["errors"] == {
        "object": "list",
        "data": [
            {
                "code": "duplicate_custom_id",
                "line": 2,
                "message": "The custom_id 'c1' was used by a line before this one.",
                "param": "custom_id",
            }
        ],
    }
    assert failed["failed_at"] >= failed["created_at"]
    assert (failed["output_file_id"], failed["error_file_id"], failed["in_progress_at"]) == (None, None, None)
    refused = await caller.post(f"/v1/batches/{made['id']}/cancel")
    assert refused.status_code == 409


async def test_batches_page_by_page_and_cancelled(caller: httpx.AsyncClient, rig: Rig):
    file_id = await upload(caller, jsonl([a_line(1)]))
    ids = [(await create(caller, input_file_id=file_id)).json()["id"] for _ in range(3)]
    first = (await caller.get("/v1/batches?limit=1")).json()
    assert ([batch["id"] for batch in first["data"]], first["has_more"]) == ([ids[2]], True)
    rest = (await caller.get(f"/v1/batches?after={ids[2]}")).json()
    assert [batch["id"] for batch in rest["data"]] == ids[1::-1]
    cancelling = (await caller.post(f"/v1/batches/{ids[0]}/cancel")).json()
    assert (cancelling["status"], cancelling["cancelled_at"]) == ("cancelling", None)
    await rig.turn(ids[0])
    cancelled = (await caller.get(f"/v1/batches/{ids[0]}")).json()
    assert cancelled["status"] == "cancelled"
    assert cancelled["cancelling_at"] <= cancelled["cancelled_at"]
    assert (await caller.get("/v1/batches/batch_x")).json()["error"]["code"] == "batch_not_found"


async def test_a_key_sees_its_own_and_an_admin_all(caller: httpx.AsyncClient, rig: Rig):
    file_id = await upload(caller, jsonl([a_line(1)]))
    batch_id = (await create(caller, input_file_id=file_id)).json()["id"]
    others = await rig.create(jsonl([a_line(1)]), "somebody else")
    others_file = (await rig.batch(others)).input_file_id
    for path in (f"/v1/files/{others_file}", f"/v1/files/{others_file}/content", f"/v1/batches/{others}"):
        assert (await caller.get(path)).status_code == 404
    assert (await caller.post(f"/v1/batches/{others}/cancel")).status_code == 404
    assert (await create(caller, input_file_id=others_file)).status_code == 404
    assert len((await caller.get("/v1/files")).json()["data"]) == 1
    async with client_with(rig, Scope.ADMIN) as admin:
        assert {batch["id"] for batch in (await admin.get("/v1/batches")).json()["data"]} == {batch_id, others}
        assert (await admin.get(f"/v1/files/{file_id}/content")).status_code == 200


@pytest.mark.parametrize("path", ["/v1/files", "/v2/files/x", "/v1/files/x/content", "/v1/batches", "/v2/batches/x"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_who_may_only_read_sees_no_prompts(method: str, path: str):
    need = Policy(RULES).need(method, path)
    assert (need.scope, need.also) == (Scope.INFERENCE, None)


async def test_without_anything_behind_them():
    async with client() as caller:
        for path in ("/v1/files", "/v1/batches"):
            assert (await caller.get(path)).status_code == 503
