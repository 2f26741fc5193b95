"""OpenAI's files and batches against a running gateway."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway

KEY = "test-key-123"
OTHER = "demo-key-456"
CHAT = "/v1/chat/completions"


def line(number: int, *, model: str = "fake", **values: Any) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": f"p{number}"}]}
    return {"custom_id": f"c{number}", "method": "POST", "url": CHAT, "body": body} | values


def jsonl(lines: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


class Client:
    """Somebody with a key."""

    def __init__(self, gateway: RunningGateway, http: aiohttp.ClientSession) -> None:
        self._gateway = gateway
        self._http = http

    async def send(self, method: str, path: str, **values: Any) -> tuple[int, Any]:
        async with self._http.request(method, path, **values) as answer:
            return answer.status, json.loads(await answer.read() or b"null")

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
        async with self._http.get(f"/v1/files/{id_}/content") as answer:
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


def gateway_before(upstream: FakeUpstream, data: Path, **tasks: Any) -> Any:
    return running_gateway(
        data,
        upstreams=[{"url": upstream.url, "name": "one", "slots": 2}],
        auth={"api_keys": (KEY, OTHER)},
        tasks={"requests_per_minute": 0, **tasks},
    )


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[Client]:
    async with client_of(gateway) as one:
        yield one


class client_of:
    def __init__(self, gateway: RunningGateway, key: str = KEY) -> None:
        self._gateway, self._key = gateway, key

    async def __aenter__(self) -> Client:
        await self._gateway.until(lambda: self._gateway.remuda.fleet.look_up("fake") is not None, "it is known")
        headers = {"Authorization": f"Bearer {self._key}"}
        self._http = await aiohttp.ClientSession(self._gateway.url, headers=headers).__aenter__()
        return Client(self._gateway, self._http)

    async def __aexit__(self, *ended: object) -> None:
        await self._http.close()


async def test_a_batch_is_answered_line_by_line(client: Client, gateway: RunningGateway) -> None:
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
