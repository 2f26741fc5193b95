"""OpenAI's files and batches against a running gateway."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.postgres import PostgresServer, private_postgres
from tests.fixtures.process import RemudaProcess, fake_upstream, remuda_serve, until
from tests.fixtures.tasks import KEY, OTHER, Caller, caller_of, gateway_before

CHAT = "/v1/chat/completions"


def line(number: int, *, model: str = "fake", **values: Any) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": f"p{number}"}]}
    return {"custom_id": f"c{number}", "method": "POST", "url": CHAT, "body": body} | values


def jsonl(lines: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


class BatchClient(Caller):
    """Somebody who hands in batches."""

    async def upload(self, content: bytes, **fields: str) -> tuple[int, Any]:
        form = aiohttp.FormData({"purpose": "batch", **fields})
        form.add_field("file", content, filename="in.jsonl")
        return await self.send("POST", "/v1/files", data=form)

    async def create(self, content: bytes, **values: Any) -> dict[str, Any]:
        status, file = await self.upload(content)
        assert status == 200, file
        asked = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h", **values}
        status, batch = await self.send("POST", "/v1/batches", json=asked)
        assert (status, batch["status"]) == (200, "validating"), batch
        return batch

    async def batch(self, id_: str) -> dict[str, Any]:
        status, batch = await self.send("GET", f"/v1/batches/{id_}")
        assert status == 200
        return batch

    async def ended(self, id_: str) -> dict[str, Any]:
        """The batch, when it is over."""
        return await self.reached(id_, "completed", "failed", "cancelled", "expired")

    async def reached(self, id_: str, *states: str) -> dict[str, Any]:
        async with asyncio.timeout(30):
            batch = await self.batch(id_)
            while batch["status"] not in states:
                batch = await self.batch(id_)
        return batch

    async def lines(self, id_: str | None) -> list[Any]:
        assert id_ is not None
        async with self.http.get(f"/v1/files/{id_}/content") as answer:
            assert answer.status == 200
            return [json.loads(each) for each in (await answer.read()).splitlines()]


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as fake:
        yield fake


@pytest.fixture
async def gateway(upstream: FakeUpstream, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with gateway_before(upstream, tmp_path) as running:
        yield running


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[BatchClient]:
    async with client_of(gateway) as one:
        yield one


def client_of(gateway: RunningGateway, key: str = KEY) -> AbstractAsyncContextManager[BatchClient]:
    return caller_of(gateway, BatchClient, key)


async def test_a_batch_is_made_once_under_one_key(client: BatchClient) -> None:
    _, file = await client.upload(jsonl([line(1)]))
    asked = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h"}
    made = [
        (await client.send("POST", "/v1/batches", json=asked, headers={"Idempotency-Key": key}))[1]["id"]
        for key in ("once", "once", "twice")
    ]
    assert (made[0] == made[1], made[0] == made[2]) == (True, False)
    status, said = await client.send("POST", "/v1/batches", json=asked, headers={"Idempotency-Key": "x" * 257})
    assert (status, said["error"]["param"]) == (400, "Idempotency-Key")


async def test_the_head_of_content_is_told_without_reading_it(client: BatchClient, tmp_path: Path) -> None:
    _, file = await client.upload(jsonl([line(1)]))
    (tmp_path / "files" / file["id"]).write_bytes(b"")  # what is known of it stands in the store
    async with client.http.head(f"/v1/files/{file['id']}/content") as answer:
        assert (answer.status, answer.content_length) == (200, file["bytes"])
        assert "in.jsonl" in answer.headers["Content-Disposition"]
        assert await answer.read() == b""


async def test_a_batch_is_answered_line_by_line(client: BatchClient, gateway: RunningGateway) -> None:
    batch = await client.create(jsonl(line(n) for n in range(20)), metadata={"for": "you"})
    assert (batch["object"], batch["errors"], batch["output_file_id"]) == ("batch", None, None)
    assert batch["expires_at"] - batch["created_at"] == 24 * 3600
    ended = await client.ended(batch["id"])
    assert ended["status"] == "completed", ended
    assert ended["request_counts"] == {"total": 20, "completed": 20, "failed": 0}
    assert (ended["error_file_id"], ended["metadata"]) == (None, {"for": "you"})
    assert batch["created_at"] <= ended["in_progress_at"] <= ended["finalizing_at"] <= ended["completed_at"]
    lines = await client.lines(ended["output_file_id"])
    assert sorted(each["custom_id"] for each in lines) == sorted(f"c{n}" for n in range(20))
    for each in lines:
        assert each["id"].startswith("batch_req_")
        assert (each["error"], each["response"]["status_code"]) == (None, 200)
        assert each["response"]["body"]["object"] == "chat.completion"
    records = await gateway.records()
    assert sorted(record.id for record in records) == sorted(each["response"]["request_id"] for each in lines)
    assert {record.dialect for record in records} == {"batches"}
    assert (await client.send("GET", "/tasks"))[1]["tasks"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("completions", {"model": "fake", "prompt": "x"}),
        ("embeddings", {"model": "fake", "input": "x"}),
        ("responses", {"model": "fake", "input": "x"}),
    ],
)
async def test_all_endpoints(client: BatchClient, path: str, body: dict[str, Any]) -> None:
    url = f"/v2/{path}"
    batch = await client.create(jsonl([line(1, url=url, body=body)]), endpoint=url)
    ended = await client.ended(batch["id"])
    assert (ended["status"], ended["request_counts"]["completed"]) == ("completed", 1), ended
    [answer] = await client.lines(ended["output_file_id"])
    assert answer["response"]["body"]["object"]


async def test_lines_that_fail_stand_in_the_error_file(client: BatchClient) -> None:
    lines = [line(1), line(2, model="nobody knows it"), line(3, body={"model": "fake", "messages": 7})]
    ended = await client.ended((await client.create(jsonl(lines)))["id"])
    assert (ended["status"], ended["request_counts"]) == ("completed", {"total": 3, "completed": 1, "failed": 2})
    failures = {each["custom_id"]: each["response"] for each in await client.lines(ended["error_file_id"])}
    assert {id_: response["status_code"] for id_, response in failures.items()} == {"c2": 404, "c3": 400}
    assert failures["c2"]["body"]["error"]["code"] == "model_not_found"
    assert failures["c3"]["body"]["error"]["param"] == "messages"


async def test_a_file_with_wrong_lines_asks_nothing(client: BatchClient, upstream: FakeUpstream) -> None:
    lines = [line(1), line(1), line(2, url="/v1/embeddings"), line(3, method="GET"), line(4, body={"model": ""})]
    batch = await client.create(jsonl(lines) + b"{\n\xff\n")
    ended = await client.ended(batch["id"])
    assert ended["status"] == "failed"
    assert [(error["line"], error["code"]) for error in ended["errors"]["data"]] == [
        (2, "duplicate_custom_id"),
        (3, "invalid_url"),
        (4, "invalid_method"),
        (5, "missing_required_parameter"),
        (6, "invalid_json_line"),
        (7, "invalid_encoding"),
    ]
    assert not [request for request in upstream.seen if request.path == CHAT]
    assert (await client.send("DELETE", f"/v1/files/{batch['input_file_id']}"))[0] == 200


async def test_cancelling_stops_the_engine_and_keeps_what_is_done(
    client: BatchClient, upstream: FakeUpstream, gateway: RunningGateway
) -> None:
    batch = await client.create(jsonl(line(n) for n in range(1000)))
    async with asyncio.timeout(30):
        while not (await client.batch(batch["id"]))["request_counts"]["completed"]:
            pass
    upstream.gate.hold()
    await upstream.gate.reached(2)
    status, refused = await client.send("DELETE", f"/v1/files/{batch['input_file_id']}")
    assert (status, refused["error"]["code"]) == (409, "conflict")
    status, cancelling = await client.send("POST", f"/v1/batches/{batch['id']}/cancel")
    assert (status, cancelling["status"]) == (200, "cancelling")
    await upstream.aborted_count(2)
    ended = await client.ended(batch["id"])
    counts = ended["request_counts"]
    assert (ended["status"], counts["total"], counts["failed"]) == ("cancelled", 1000, 0)
    assert 0 < counts["completed"] < 1000
    assert len(await client.lines(ended["output_file_id"])) == counts["completed"]
    upstream.gate.release()
    await gateway.at_rest()
    statuses = Counter(record.status for record in await gateway.records())
    assert statuses[499] == 2
    assert statuses[200] >= counts["completed"]
    assert (await client.send("POST", f"/v1/batches/{batch['id']}/cancel"))[0] == 409


async def test_a_gateway_that_is_started_again_goes_on(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with gateway_before(upstream, tmp_path) as gateway, client_of(gateway) as client:
        upstream.gate.hold()
        batch = await client.create(jsonl(line(n) for n in range(30)))
        await upstream.gate.reached(2)
        gateway.server.should_exit = True
    await upstream.aborted_count(2)
    upstream.gate.release()
    async with gateway_before(upstream, tmp_path) as gateway, client_of(gateway) as client:
        ended = await client.ended(batch["id"])
        assert ended["request_counts"] == {"total": 30, "completed": 30, "failed": 0}
        assert len({each["custom_id"] for each in await client.lines(ended["output_file_id"])}) == 30
        assert len(await gateway.records()) == 30


async def test_results_outlive_the_retention_of_tasks(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with gateway_before(upstream, tmp_path, retention_s=1) as gateway, client_of(gateway) as client:
        ended = await client.ended((await client.create(jsonl(line(n) for n in range(20))))["id"])
        assert ended["request_counts"]["completed"] == 20


async def test_interactive_requests_come_first(client: BatchClient, upstream: FakeUpstream) -> None:
    upstream.gate.hold()
    batch = await client.create(jsonl(line(n) for n in range(20)))
    await upstream.gate.reached(2)
    body = {"model": "fake", "messages": [{"role": "user", "content": "me"}]}
    asked = [asyncio.create_task(client.send("POST", CHAT, json=body)) for _ in range(2)]
    upstream.gate.release()
    assert [(await each)[0] for each in asked] == [200, 200]
    said = [json.loads(request.body)["messages"][0]["content"] for request in upstream.seen if request.path == CHAT]
    assert said.index("me") < 12
    assert (await client.ended(batch["id"]))["status"] == "completed"


async def test_a_key_sees_its_own_only(client: BatchClient, gateway: RunningGateway) -> None:
    batch = await client.create(jsonl([line(1)]))
    ended = await client.ended(batch["id"])
    async with client_of(gateway, OTHER) as other:
        for file_id in (batch["input_file_id"], ended["output_file_id"]):
            assert (await other.send("GET", f"/v1/files/{file_id}"))[0] == 404
            assert (await other.send("GET", f"/v1/files/{file_id}/content"))[0] == 404
        assert (await other.send("GET", f"/v1/batches/{batch['id']}"))[0] == 404
        assert (await other.send("GET", "/v1/files"))[1]["data"] == []
    async with aiohttp.ClientSession(gateway.url) as http, http.get("/v1/files") as answer:
        assert answer.status == 401


async def test_whoever_leaves_while_sending_leaves_nothing(gateway: RunningGateway) -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + b"y" * 3_000_000
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 9000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    files = gateway.remuda.durable.files
    _, writer = await gateway.send(head.encode() + form)
    await gateway.until(lambda: files.coming_bytes >= 2_900_000, "it comes in")
    writer.transport.abort()
    await gateway.until(lambda: files.coming_bytes == 0, "it is let go")
    folder = files.path_of("file-" + "0" * 32).parent
    await gateway.until(lambda: [path.name for path in folder.iterdir()] == ["place"], "nothing is left")


# Killed without a word, and on a shared store


class Outside:
    """A gateway in a process of its own, as a client sees it."""

    def __init__(self, process: RemudaProcess) -> None:
        self.http = httpx.Client(base_url=process.url, trust_env=False, timeout=60)

    def __enter__(self) -> "Outside":
        return self

    def __exit__(self, *ended: object) -> None:
        self.http.close()

    def create(self, content: bytes) -> str:
        sent = self.http.post("/v1/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", content)})
        asked = {"input_file_id": sent.json()["id"], "endpoint": CHAT, "completion_window": "24h"}
        id_: str = self.http.post("/v1/batches", json=asked).json()["id"]
        return id_

    def batch(self, id_: str) -> Any:
        return self.http.get(f"/v1/batches/{id_}").json()


def test_a_gateway_that_is_killed_loses_and_doubles_nothing(tmp_path: Path) -> None:
    lines = 1500
    with fake_upstream() as upstream:
        values = {"REMUDA_UPSTREAMS": json.dumps([{"url": upstream.url, "name": "one", "slots": 8}])}
        with remuda_serve(tmp_path, **values) as process, Outside(process) as outside:
            id_ = outside.create(jsonl(line(n) for n in range(lines)))
            until(lambda: outside.batch(id_)["request_counts"]["completed"] > lines // 4, "it goes on")
            process.signal(signal.SIGKILL)
            process.ended()
        with remuda_serve(tmp_path, **values) as process, Outside(process) as outside:
            batch = until(lambda: (said := outside.batch(id_))["status"] == "completed" and said, "it is over")
            assert batch["request_counts"] == {"total": lines, "completed": lines, "failed": 0}
            content = outside.http.get(f"/v1/files/{batch['output_file_id']}/content").text
            answers = [json.loads(each) for each in content.splitlines()]
            assert Counter(each["custom_id"] for each in answers) == Counter(f"c{n}" for n in range(lines))
            assert len({each["response"]["request_id"] for each in answers}) == lines


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_long_file_is_taken_in_looked_through_and_fed_in_little_memory(tmp_path: Path) -> None:
    lines = 30_000
    content = jsonl(line(n, body={"model": "fake", "pad": "x" * 1000}) for n in range(lines))
    values = {"REMUDA_UPSTREAMS": json.dumps([{"url": "http://127.0.0.1:9"}]), "REMUDA_TASKS__WORKERS": "0"}
    with remuda_serve(tmp_path, **values) as process, Outside(process) as outside:
        for _ in range(20):
            outside.http.get("/health")
        before = _peak_kib(process)
        id_ = outside.create(content)
        batch = until(lambda: (said := outside.batch(id_))["status"] != "validating" and said, "it is looked through")
        assert (batch["status"], batch["request_counts"]["total"]) == ("in_progress", lines)
        until(lambda: len(outside.http.get("/tasks?limit=200").json()["tasks"]) == 200, "lines are fed")
        outside.http.post(f"/v1/batches/{id_}/cancel")
        until(lambda: outside.batch(id_)["status"] == "cancelled", "it is over")
        assert (_peak_kib(process) - before) * 1024 < len(content) / 2


def _peak_kib(process: RemudaProcess) -> int:
    """The most memory that the process ever had."""
    status = Path(f"/proc/{process.process.pid}/status").read_text().splitlines()
    return next(int(each.split()[1]) for each in status if each.startswith("VmHWM"))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with private_postgres() as running:
        yield running


@pytest.mark.postgres
@pytest.mark.xdist_group("postgres")
async def test_two_gateways_on_one_store_with_folders_of_their_own(
    server: PostgresServer, upstream: FakeUpstream, tmp_path: Path
) -> None:
    values: dict[str, Any] = {
        "upstreams": [{"url": upstream.url, "name": "one", "slots": 4}],
        "auth": {"api_keys": (KEY,)},
        "database_url": server.url(server.new_database()),
    }
    async with (
        running_gateway(tmp_path / "one", **values) as one,
        running_gateway(tmp_path / "two", **values, tasks={"workers": 0}) as two,
        client_of(one) as first,
        client_of(two) as second,
    ):
        batch = await first.create(jsonl(line(n) for n in range(40)))
        assert (await second.batch(batch["id"]))["id"] == batch["id"]
        asked = {"input_file_id": batch["input_file_id"], "endpoint": CHAT, "completion_window": "24h"}
        status, refused = await second.send("POST", "/v1/batches", json=asked)
        assert (status, "another gateway" in refused["error"]["message"]) == (503, True)
        ended = await second.ended(batch["id"])
        assert ended["request_counts"] == {"total": 40, "completed": 40, "failed": 0}
        path = f"/v1/files/{ended['output_file_id']}"
        assert (await second.send("GET", path))[0] == 200
        status, refused = await second.send("GET", f"{path}/content")
        assert (status, "another gateway" in refused["error"]["message"]) == (503, True)
        assert len(await first.lines(ended["output_file_id"])) == 40
        # Taken in by the one whose workers sleep, answered by the other.
        slept = await second.create(jsonl(line(n) for n in range(40)))
        await first.ended(slept["id"])
        assert len(await second.lines((await second.batch(slept["id"]))["output_file_id"])) == 40
