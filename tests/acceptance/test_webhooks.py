"""Whoever a task names is told that it is over."""

import asyncio
import base64
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.process import fake_upstream, remuda_serve
from tests.fixtures.receiver import Received, Receiver
from tests.fixtures.tasks import OTHER, client_of, gateway_before

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "webhooks.md"
SECRET = "whsec_" + base64.b64encode(b"a key that only two know").decode()
HOOKS: dict[str, Any] = {"webhook_allow_private": ["127.0.0.0/8"], "webhook_secret": SECRET, "webhook_backoff_s": 0.02}


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as fake:
        yield fake


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as one:
        yield one


def verify(received: Received) -> None:
    """By the function that docs/howto/webhooks.md shows."""
    code = re.search(r"```python\n(.*?)```", HOWTO.read_text(), re.DOTALL)
    assert code is not None
    shown: dict[str, Any] = {}
    exec(code[1], shown)
    headers = {name.lower(): value for name, value in received.headers.items()}
    assert shown["verify"](SECRET, headers, received.body)
    assert not shown["verify"](SECRET, headers, received.body + b" ")
    assert not shown["verify"]("whsec_b3RoZXI=", headers, received.body)


async def log_of(client: Any, task_id: str) -> list[dict[str, Any]]:
    status, said = await client.send("GET", f"/tasks/{task_id}/deliveries")
    assert status == 200, said
    deliveries: list[dict[str, Any]] = said["deliveries"]
    return deliveries


async def settled(client: Any, task_id: str, count: int = 1) -> list[dict[str, Any]]:
    async with asyncio.timeout(20.0):
        while True:
            log = await log_of(client, task_id)
            if len(log) == count and all(each["state"] in ("delivered", "given_up") for each in log):
                return log


async def test_a_task_that_ends_is_told_once(upstream: FakeUpstream, receiver: Receiver, tmp_path: Path) -> None:
    async with gateway_before(upstream, tmp_path, **HOOKS) as gateway, client_of(gateway) as client:
        task_id = await client.submit(webhook=receiver.url + "?token=s", user_id="user-7")
        got = await receiver.got(1)
        verify(got)
        result = await client.result(task_id)
        message = got.message
        assert (message["id"], message["type"]) == (got.headers["webhook-id"], "task.completed")
        assert message["data"] == {
            "task_id": task_id,
            "status": "completed",
            "state": "completed",
            "model": "fake",
            "user_id": "user-7",
            "result": result["result"],
            "metrics": result["metrics"],
        }
        [entry] = await settled(client, task_id)
        assert (entry["state"], entry["attempts"], entry["status"], entry["error"]) == ("delivered", 1, 204, None)
        assert entry["url"] == receiver.url
        async with client_of(gateway, OTHER) as other:
            assert (await other.send("GET", f"/tasks/{task_id}/deliveries"))[0] == 404
        assert len(receiver.seen) == 1


async def test_one_that_fails_is_tried_again_and_known_by_its_id(
    upstream: FakeUpstream, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answers = [
        web.Response(status=500),
        web.Response(status=307, headers={"Location": receiver.url + "/elsewhere"}),
        web.Response(status=200, body=b"x" * 10_000_000),
    ]
    async with gateway_before(upstream, tmp_path, **HOOKS) as gateway, client_of(gateway) as client:
        task_id = await client.submit(webhook=receiver.url)
        await receiver.got(3)
        [entry] = await settled(client, task_id)
        assert (entry["state"], entry["attempts"], entry["status"]) == ("delivered", 3, 200)
        assert len({received.headers["webhook-id"] for received in receiver.seen}) == 1
        assert len({received.body for received in receiver.seen}) == 1
        for received in receiver.seen:
            verify(received)


async def test_one_that_fails_each_time_is_given_up(upstream: FakeUpstream, receiver: Receiver, tmp_path: Path) -> None:
    receiver.answers = [web.Response(status=503), web.Response(status=302, headers={"Location": "/"})]
    hooks = HOOKS | {"webhook_max_attempts": 2}
    async with gateway_before(upstream, tmp_path, **hooks) as gateway, client_of(gateway) as client:
        task_id = await client.submit(webhook=receiver.url)
        [entry] = await settled(client, task_id)
        assert (entry["state"], entry["attempts"], entry["status"]) == ("given_up", 2, 302)
        assert "redirect" in entry["error"]
        assert len(receiver.seen) == 2


async def test_a_slow_receiver_is_not_waited_for(upstream: FakeUpstream, receiver: Receiver, tmp_path: Path) -> None:
    receiver.gate = asyncio.Event()
    hooks = HOOKS | {"webhook_max_attempts": 1, "webhook_timeout_s": 0.2}
    async with gateway_before(upstream, tmp_path, **hooks) as gateway, client_of(gateway) as client:
        task_id = await client.submit(webhook=receiver.url)
        [entry] = await settled(client, task_id)
        assert (entry["state"], entry["error"]) == ("given_up", "it does not answer within 0.2 s")


async def test_ends_of_every_kind(upstream: FakeUpstream, receiver: Receiver, tmp_path: Path) -> None:
    async with gateway_before(upstream, tmp_path, max_attempts=1, **HOOKS) as gateway, client_of(gateway) as client:
        upstream.behave(fault=Fault.STALL)
        cancelled = await client.submit(webhook=receiver.url)
        await upstream.saw(1)
        await client.send("DELETE", f"/tasks/{cancelled}")
        await client.send("DELETE", f"/tasks/{cancelled}")
        told = (await receiver.got(1)).message
        assert (told["type"], told["data"]["status"], told["data"]["error_type"]) == (
            "task.cancelled",
            "failed",
            "TaskCancelled",
        )
        await gateway.at_rest()
        upstream.behave(fault=Fault.ERROR)
        dead = await client.submit(webhook=receiver.url)
        told = (await receiver.got(2)).message
        assert (told["type"], told["data"]["task_id"], told["data"]["error_type"]) == ("task.dead", dead, "EngineError")
        upstream.behave()
        await client.send("POST", f"/tasks/{dead}/retry")
        assert (await receiver.got(3)).message["type"] == "task.completed"
        assert [entry["type"] for entry in await settled(client, dead, 2)] == ["task.completed", "task.dead"]
        assert len(await settled(client, cancelled)) == 1


async def test_what_was_due_when_the_gateway_ended(upstream: FakeUpstream, receiver: Receiver, tmp_path: Path) -> None:
    receiver.gate = asyncio.Event()
    async with gateway_before(upstream, tmp_path, **HOOKS) as gateway, client_of(gateway) as client:
        task_id = await client.submit(webhook=receiver.url)
        await receiver.got(1)
    receiver.gate.set()
    async with gateway_before(upstream, tmp_path, **HOOKS) as gateway, client_of(gateway) as client:
        await receiver.got(2)
        [entry] = await settled(client, task_id)
        assert (entry["state"], entry["attempts"]) == ("delivered", 2)
        assert receiver.seen[0].body == receiver.seen[1].body


async def test_a_gateway_that_is_killed_between_commit_and_sending(tmp_path: Path) -> None:
    async with Receiver() as nobody:
        port = nobody.port  # and from here on nobody listens there
    values = {"REMUDA_TASKS__WEBHOOK_ALLOW_PRIVATE": "true", "REMUDA_TASKS__WEBHOOK_BACKOFF_S": "1"}
    with fake_upstream() as fake:
        arguments = ("--upstream", fake.url)
        with remuda_serve(tmp_path, *arguments, **values) as gateway:
            body = {"prompt": "x", "webhook": f"http://127.0.0.1:{port}/"}
            async with aiohttp.ClientSession(gateway.url) as http, http.post("/generate", json=body) as answer:
                task_id = (await answer.json())["task_id"]
            gateway.wait_for("attempt 1 of 8")
            gateway.signal(signal.SIGKILL)
            gateway.ended()
        async with Receiver(port) as receiver:
            with remuda_serve(tmp_path, *arguments, **values) as gateway:
                got = await receiver.got(1)
                assert (got.message["type"], got.message["data"]["task_id"]) == ("task.completed", task_id)
            assert len(receiver.seen) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "http://localhost:1/",
        "http://[::1]/",
        "http://10.0.0.1/hook",
        "https://192.168.1.1/hook",
        "http://169.254.169.254/latest/",
        "http://[::ffff:127.0.0.1]/",
        "http://127.1/",
        "http://0x7f000001/",
        "http://user:password@example.com/",
        "ftp://example.com/",
        "unix:/tmp/socket",
        "no url",
        "http://example.com:0/",
        "http://exa mple.com/",
    ],
)
async def test_where_no_webhook_goes(upstream: FakeUpstream, tmp_path: Path, url: str) -> None:
    async with gateway_before(upstream, tmp_path) as gateway, client_of(gateway) as client:
        status, said = await client.send("POST", "/generate", json={"prompt": "x", "webhook": url})
        assert (status, said["status_code"], set(said)) == (400, 400, {"error", "status_code"})
        assert said["error"].startswith("webhook")
        assert (await client.send("GET", "/tasks"))[1]["tasks"] == []


async def test_an_address_that_is_no_longer_allowed(upstream: FakeUpstream, receiver: Receiver, tmp_path: Path) -> None:
    hooks = HOOKS | {"webhook_max_attempts": 1}
    async with gateway_before(upstream, tmp_path, workers=0, **hooks) as gateway, client_of(gateway) as client:
        task_id = await client.submit(webhook=f"http://localhost:{receiver.port}/")
        by_number = await client.submit(webhook=receiver.url)
    async with (
        gateway_before(upstream, tmp_path, **(hooks | {"webhook_allow_private": False})) as gateway,
        client_of(gateway) as client,
    ):
        for each in (task_id, by_number):
            [entry] = await settled(client, each)
            assert entry["state"] == "given_up"
            assert "private network" in entry["error"]
        assert receiver.seen == []
