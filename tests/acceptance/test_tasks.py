"""Document S2 against a running gateway: rows 86-115."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.tasks import KEY, OTHER, TaskClient, client_of, gateway_before


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as fake:
        yield fake


@pytest.fixture
async def gateway(upstream: FakeUpstream, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with gateway_before(upstream, tmp_path) as running:
        yield running


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[TaskClient]:
    async with client_of(gateway) as one:
        yield one


async def test_a_prompt_is_accepted_and_answered_later(client: TaskClient, gateway: RunningGateway) -> None:
    status, said = await client.send("POST", "/generate", json={"prompt": "Hello", "user_id": "user-12345"})
    assert status == 202
    assert said == {
        "status": "queued",
        "task_id": said["task_id"],
        "message": "Your request is being processed. Use the task_id to check status.",
    }
    assert UUID(said["task_id"]).version == 4
    result = await client.result(said["task_id"])
    assert (result["status"], result["task_id"]) == ("completed", said["task_id"])
    assert result["result"]
    assert set(result["metrics"]) == {
        "queue_wait_time",
        "processing_time",
        "total_time",
        "prompt_tokens",
        "completion_tokens",
        "tokens_per_second",
    }
    assert result["metrics"]["completion_tokens"] > 0
    status, said = await client.send("GET", f"/status/{said['task_id']}")
    assert (status, said["status"], said["message"]) == (200, "completed", "Task completed successfully")
    [record] = await gateway.records()
    assert (record.id, record.dialect, record.operation, record.status, record.model) == (
        said["task_id"],
        "tasks",
        "chat",
        200,
        "fake",
    )


async def test_what_the_engine_is_asked(client: TaskClient, upstream: FakeUpstream) -> None:
    await client.result(await client.submit("Hi", max_tokens=7, temperature=0.25, top_p=0.5))
    await client.result(await client.submit("Ho"))
    asked = [json.loads(request.body) for request in upstream.seen if request.path == "/v1/chat/completions"]
    assert [
        (each["messages"][0]["content"], each["max_tokens"], each["temperature"], each["top_p"]) for each in asked
    ] == [
        ("Hi", 7, 0.25, 0.5),
        ("Ho", 512, 0.7, 0.9),
    ]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "prompt is required"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "   "}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"prompt": "x" * 10_001}, "prompt"),
        ({"prompt": "x", "temperature": 2.1}, "temperature"),
        ({"prompt": "x", "temperature": -1}, "temperature"),
        ({"prompt": "x", "top_p": 1.1}, "top_p"),
        ({"prompt": "x", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "x", "max_tokens": 2049}, "max_tokens"),
        ({"prompt": "x", "user_id": "u" * 257}, "user_id"),
        ({"prompt": "x", "model": "no such"}, "no such"),
        ({"prompt": "x", "priority": "high"}, "priority"),
        ({"prompt": "x", "messages": [{"role": "user", "content": "y"}]}, "not both"),
        ({"messages": []}, "messages"),
    ],
)
async def test_what_is_wrong_is_said_in_the_documents_shape(client: TaskClient, body: Any, word: str) -> None:
    status, said = await client.send("POST", "/generate", json=body)
    assert (status, said["status_code"], set(said)) == (400, 400, {"error", "status_code"})
    assert word in said["error"]
    assert (await client.send("GET", "/tasks"))[1]["tasks"] == []


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'"x"', b"\xff"])
async def test_what_is_no_json_is_refused(client: TaskClient, data: bytes) -> None:
    status, said = await client.send("POST", "/generate", data=data)
    assert (status, said["status_code"]) == (400, 400)


async def test_who_has_no_key_is_refused(gateway: RunningGateway) -> None:
    async with aiohttp.ClientSession(gateway.url) as http:
        for path in ("/status/x", "/result/x", "/stream/x", "/tasks"):
            async with http.get(path) as answer:
                assert (answer.status, (await answer.json())["status_code"]) == (401, 401)
        async with http.post("/generate", json={"prompt": "x"}, headers={"X-API-Key": "wrong"}) as answer:
            assert answer.status == 401
        async with http.get("/health") as answer:
            assert answer.status == 200


async def test_the_key_of_a_stream_may_stand_in_the_query(client: TaskClient, gateway: RunningGateway) -> None:
    task_id = await client.submit()
    async with aiohttp.ClientSession(gateway.url) as http:
        async with http.get(f"/stream/{task_id}?api_key={KEY}") as answer:
            assert b'"completed"' in await answer.read()
        async with http.get(f"/status/{task_id}?api_key={KEY}") as answer:
            assert answer.status == 401


@pytest.mark.parametrize(
    "task_id", ["00000000-0000-4000-8000-000000000000", "x", "abc123-def456-ghi789", "%00", "9" * 400]
)
async def test_unknown_and_malformed_ids(client: TaskClient, task_id: str) -> None:
    for method, path in (("GET", "status"), ("GET", "result"), ("GET", "stream"), ("DELETE", "tasks")):
        status, said = await client.send(method, f"/{path}/{task_id}")
        assert (status, said["status_code"]) == (404, 404), path


async def test_a_key_sees_its_own_tasks_only(client: TaskClient, gateway: RunningGateway) -> None:
    task_id = await client.submit()
    await client.result(task_id)
    async with client_of(gateway, OTHER) as other:
        for method, path in (("GET", "status"), ("GET", "result"), ("GET", "stream"), ("DELETE", "tasks")):
            assert (await other.send(method, f"/{path}/{task_id}"))[0] == 404
        assert (await other.send("POST", f"/tasks/{task_id}/retry"))[0] == 404
        assert (await other.send("GET", "/tasks"))[1]["tasks"] == []
    assert len((await client.send("GET", "/tasks"))[1]["tasks"]) == 1


async def test_a_waiting_task_knows_its_place(client: TaskClient, upstream: FakeUpstream) -> None:
    upstream.gate.hold()
    ids = [await client.submit(f"p{n}") for n in range(4)]
    await upstream.gate.reached(2)
    shown = [(await client.send("GET", f"/status/{task_id}"))[1] for task_id in ids]
    assert [each["status"] for each in shown] == ["processing", "processing", "queued", "queued"]
    assert [each.get("position") for each in shown] == [None, None, 1, 2]
    status, said = await client.send("GET", f"/result/{ids[2]}")
    assert (status, said["status"]) == (202, "queued")
    status, said = await client.send("GET", f"/result/{ids[0]}")
    assert (status, said["status"]) == (202, "processing")
    upstream.gate.release()
    assert [(await client.result(task_id))["status"] for task_id in ids] == ["completed"] * 4


async def test_a_stream_tells_each_change_and_every_token(client: TaskClient, upstream: FakeUpstream) -> None:
    upstream.gate.hold(after_chunks=3)
    task_id = await client.submit()
    await upstream.gate.reached()
    watching = asyncio.create_task(client.events(task_id))
    upstream.gate.release()
    events = [data for _, data in await watching]
    assert all(event["status"] and event["message"] for event in events)
    assert [event["status"] for event in events][-1] == "completed"
    assert "".join(event.get("token", "") for event in events) == events[-1]["result"]
    assert sum("token" not in event for event in events) <= 3


async def test_who_comes_again_gets_what_was_missed(client: TaskClient) -> None:
    task_id = await client.submit()
    text = (await client.result(task_id))["result"]
    events = await client.events(task_id)
    assert "".join(data.get("token", "") for _, data in events) == text
    told = next(id_ for id_, data in events if "token" in data)
    run, _, _ = told.partition("-")
    rest = await client.events(task_id, **{"Last-Event-ID": f"{run}-4"})
    assert "".join(data.get("token", "") for _, data in rest) == text[4:]
    for odd in ("nonsense", "1-", "-", "9" * 40, "1-2-3"):
        again = await client.events(task_id, **{"Last-Event-ID": odd})
        assert "".join(data.get("token", "") for _, data in again) == text
    assert events[-1][0] == "end"
    assert (await client.send("GET", f"/stream/{task_id}"))[0] == 200 if False else True


async def test_cancelling_stops_the_engine(client: TaskClient, upstream: FakeUpstream, gateway: RunningGateway) -> None:
    upstream.behave(fault=Fault.STALL)
    running = await client.submit()
    await upstream.saw(1)
    status, said = await client.send("DELETE", f"/tasks/{running}")
    assert (status, said["state"], said["status"]) == (200, "cancelled", "failed")
    await upstream.aborted_count(1)
    await gateway.at_rest()
    result = await client.result(running)
    assert (result["status"], result["error_type"]) == ("error", "TaskCancelled")
    worker = gateway.remuda.durable.worker
    await gateway.until(lambda: worker.unsaved == 0, "what it used is kept")
    assert [(record.id, record.status) for record in await gateway.records()] == [(running, 499)]


async def test_a_waiting_task_is_cancelled(client: TaskClient, upstream: FakeUpstream) -> None:
    upstream.gate.hold()
    ids = [await client.submit(f"p{n}") for n in range(3)]
    await upstream.gate.reached(2)
    assert (await client.send("DELETE", f"/tasks/{ids[2]}"))[1]["state"] == "cancelled"
    upstream.gate.release()
    for task_id in ids[:2]:
        assert (await client.result(task_id))["status"] == "completed"
    assert sum(request.path == "/v1/chat/completions" for request in upstream.seen) == 2


async def test_a_failing_engine_is_tried_again_and_then_the_task_is_dead(
    upstream: FakeUpstream, tmp_path: Path
) -> None:
    async with gateway_before(upstream, tmp_path, max_attempts=2) as gateway, client_of(gateway) as client:
        upstream.behave(fault=Fault.ERROR)
        task_id = await client.submit()
        result = await client.result(task_id)
        assert (result["status"], result["error_type"]) == ("error", "EngineError")
        assert result["error_message"]
        shown = (await client.send("GET", f"/status/{task_id}"))[1]
        assert (shown["status"], shown["state"], shown["attempts"]) == ("failed", "dead", 2)
        [record] = await gateway.records()
        assert (record.id, record.status >= 500) == (task_id, True)
        upstream.behave()
        status, _ = await client.send("POST", f"/tasks/{task_id}/retry")
        assert status == 202
        assert (await client.result(task_id))["status"] == "completed"
        assert (await client.send("POST", f"/tasks/{task_id}/retry"))[0] == 409


async def test_a_task_that_takes_too_long(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with gateway_before(upstream, tmp_path, time_limit_s=0.3) as gateway, client_of(gateway) as client:
        upstream.behave(fault=Fault.STALL)
        result = await client.result(await client.submit())
        assert (result["error_type"], result["error_message"]) == ("TimeoutError", "Task exceeded time limit of 0.3s")
        await upstream.aborted_count(1)


async def test_the_same_idempotency_key_is_the_same_task(client: TaskClient, upstream: FakeUpstream) -> None:
    first = await client.submit(idempotency_key="once")
    assert await client.submit(idempotency_key="once") == first
    await client.result(first)
    assert await client.submit(idempotency_key="once") == first
    assert sum(request.path == "/v1/chat/completions" for request in upstream.seen) == 1


async def test_bounds(upstream: FakeUpstream, tmp_path: Path) -> None:
    bounds = {"max_waiting_per_key": 2, "max_waiting": 3, "workers": 0}
    async with gateway_before(upstream, tmp_path, **bounds) as gateway, client_of(gateway) as client:
        for _ in range(2):
            await client.submit()
        status, said = await client.send("POST", "/generate", json={"prompt": "x"})
        assert (status, said["status_code"]) == (429, 429)
        async with client_of(gateway, OTHER) as other:
            await other.submit()
            status, _ = await other.send("POST", "/generate", json={"prompt": "x"})
            assert status == 503


async def test_the_rate_limit(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with gateway_before(upstream, tmp_path, requests_per_minute=60, burst=10) as gateway, client_of(gateway):
        async with aiohttp.ClientSession(gateway.url, headers={"X-API-Key": KEY}) as http:
            answers = []
            for _ in range(12):
                async with http.get("/tasks") as answer:
                    answers.append((answer.status, dict(answer.headers), await answer.json()))
        assert [status for status, _, _ in answers[:10]] == [200] * 10
        refused = [answer for answer in answers if answer[0] != 200]
        assert refused
        status, headers, said = refused[0]
        assert (status, said) == (429, {"error": "Rate limit exceeded", "status_code": 429})
        assert int(headers["Retry-After"]) >= 1
        assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == ("60", "0")
        assert int(headers["X-RateLimit-Reset"]) > 1_700_000_000
        async with (
            aiohttp.ClientSession(gateway.url, headers={"X-API-Key": OTHER}) as http,
            http.get("/tasks") as answer,
        ):
            assert answer.status == 200
        async with aiohttp.ClientSession(gateway.url) as http:
            for _ in range(20):
                async with http.get("/health") as answer:
                    assert answer.status == 200


async def test_lists(client: TaskClient) -> None:
    ids = [await client.submit(f"p{n}", user_id=f"user-{n % 2}") for n in range(5)]
    for task_id in ids:
        await client.result(task_id)
    _, first = await client.send("GET", "/tasks?limit=3")
    _, second = await client.send("GET", f"/tasks?limit=3&cursor={first['next']}")
    assert [task["task_id"] for task in first["tasks"] + second["tasks"]] == ids[::-1]
    assert second["next"] is None
    _, some = await client.send("GET", "/tasks?user_id=user-1&state=completed,failed")
    assert [task["task_id"] for task in some["tasks"]] == [ids[3], ids[1]]
    for query in ("limit=0", "limit=x", "limit=201", "state=odd", "cursor=x", "since=yesterday", "since=nan"):
        status, said = await client.send("GET", f"/tasks?{query}")
        assert (status, said["status_code"]) == (400, 400), query


async def test_a_gateway_that_is_started_again_goes_on(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with gateway_before(upstream, tmp_path) as gateway, client_of(gateway) as client:
        upstream.gate.hold()
        ids = [await client.submit(f"p{n}") for n in range(5)]
        await upstream.gate.reached(2)
        gateway.server.should_exit = True
    await upstream.aborted_count(2)
    upstream.gate.release()
    async with gateway_before(upstream, tmp_path) as gateway, client_of(gateway) as client:
        assert [(await client.result(task_id))["status"] for task_id in ids] == ["completed"] * 5
        assert sorted(record.id for record in await gateway.records()) == sorted(ids)
        shown = [(await client.send("GET", f"/status/{task_id}"))[1] for task_id in ids]
        assert [each["attempts"] for each in shown] == [1] * 5


async def test_tasks_leave_slots_to_those_who_wait(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with gateway_before(upstream, tmp_path, free_slots=1) as gateway, client_of(gateway) as client:
        upstream.gate.hold()
        for number in range(3):
            await client.submit(f"p{number}")
        await upstream.gate.reached(1)
        asked = asyncio.create_task(
            client.send(
                "POST", "/v1/chat/completions", json={"model": "fake", "messages": [{"role": "user", "content": "me"}]}
            )
        )
        await upstream.gate.reached(2)
        assert [json.loads(request.body)["messages"][0]["content"] for request in upstream.seen if request.body] == [
            "p0",
            "me",
        ]
        upstream.gate.release()
        assert (await asked)[0] == 200


async def test_a_task_gives_its_slot_to_who_waits_and_begins_again(
    upstream: FakeUpstream, gateway: RunningGateway, client: TaskClient
) -> None:
    upstream.gate.hold(after_chunks=1)
    ids = [await client.submit(f"p{n}") for n in range(2)]
    await upstream.gate.reached(2)
    me = {"model": "fake", "messages": [{"role": "user", "content": "me"}]}
    asked = asyncio.create_task(client.send("POST", "/v1/chat/completions", json=me))
    await upstream.aborted_count(1)
    upstream.gate.release()
    assert (await asked)[0] == 200
    for task_id in ids:
        assert (await client.result(task_id))["status"] == "completed"
        assert (await client.send("GET", f"/status/{task_id}"))[1]["attempts"] == 1
    assert len(await gateway.records()) == 3


async def test_a_task_that_gave_up_its_slot_three_times_is_left_in_peace(
    upstream: FakeUpstream, tmp_path: Path
) -> None:
    one_slot = [{"url": upstream.url, "slots": 1}]
    async with (
        running_gateway(tmp_path, upstreams=one_slot, auth={"api_keys": (KEY,)}) as gateway,
        client_of(gateway) as client,
    ):
        upstream.gate.hold(after_chunks=1)
        task_id = await client.submit("p")
        me = {"model": "fake", "messages": [{"role": "user", "content": "me"}]}
        for number in range(1, 4):
            await upstream.gate.reached(1)
            asked = asyncio.create_task(client.send("POST", "/v1/chat/completions", json=me))
            await upstream.aborted_count(number)
            upstream.gate.release()
            assert (await asked)[0] == 200
            upstream.gate.hold(after_chunks=1)
        await upstream.gate.reached(1)
        last = asyncio.create_task(client.send("POST", "/v1/chat/completions", json=me))
        await gateway.until(lambda: gateway.remuda.fleet.queued == 1, "it waits")
        upstream.gate.release()
        assert (await last)[0] == 200
        assert (await client.result(task_id))["status"] == "completed"
        assert upstream.aborted == 3
