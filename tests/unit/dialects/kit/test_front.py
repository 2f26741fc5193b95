"""The front where it is not seen through an HTTP client: WebSockets, and answers that break off."""

from typing import Any

import pytest

from remuda.app.asgi import build_app
from remuda.core.keys import Scope
from remuda.gateway.headers import STANDING_HEADERS
from tests.fixtures.asgi import client, parts

HOST = (b"host", b"127.0.0.1:7368")


async def answers_to(scope: dict[str, Any], app: Any, *, keyed: bool = True) -> list[dict[str, Any]]:
    """What the front in front of `app` sends."""
    sent: list[dict[str, Any]] = []
    front = build_app(parts(keyed=keyed))
    front.app = app

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"} if scope["type"] == "websocket" else {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await front(scope, receive, send)
    return sent


def websocket(query: bytes = b"", *headers: tuple[bytes, bytes], extensions: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "websocket",
        "path": "/ws/any",
        "query_string": query,
        "headers": [HOST, *headers],
        "client": ("127.0.0.1", 1),
        "extensions": {name: {} for name in extensions},
    }


def request(method: str = "GET") -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": "/livez",
        "query_string": b"",
        "headers": [HOST],
        "client": ("127.0.0.1", 1),
    }


async def greet(scope: Any, _receive: Any, send: Any) -> None:
    """Accepts a WebSocket."""
    assert scope["state"]["caller"] is not None
    await send({"type": "websocket.accept", "headers": [(b"x-own", b"1")]})


@pytest.mark.parametrize(
    "scope",
    [
        websocket(b"api_key=rmd_manage"),
        websocket(b"", (b"authorization", b"Bearer rmd_admin")),
        websocket(b"", (b"cookie", b"remuda-session=rmd_admin"), (b"origin", b"http://" + HOST[1])),
    ],
    ids=["query", "header", "cookie"],
)
async def test_websocket_takes_its_key_from_wherever_it_may_stand(scope):
    (accepted,) = await answers_to(scope, greet)
    assert accepted["type"] == "websocket.accept"
    names = [name for name, _ in accepted["headers"]]
    assert names == [b"x-own", *(name for name, _ in STANDING_HEADERS), b"x-request-id"]


@pytest.mark.parametrize("query", [b"", b"api_key=wrong", b"api_key=rmd_read"])
async def test_websocket_is_closed_to_whoever_may_not(query):
    (closed,) = await answers_to(websocket(query), greet)
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


@pytest.mark.parametrize("more", [(), ((b"origin", b"http://evil.example"),)])
async def test_websocket_is_closed_to_pages_elsewhere_that_send_a_cookie(more):
    (closed,) = await answers_to(websocket(b"", (b"cookie", b"remuda-session=rmd_admin"), *more), greet)
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


async def test_websocket_refusal_says_why_where_the_server_can():
    start, body = await answers_to(websocket(extensions=("websocket.http.response",)), greet)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert (body["type"], body["more_body"]) == ("websocket.http.response.body", False)
    assert b"missing_api_key" in body["body"]


async def test_foreign_page_opens_no_websocket_while_no_key_exists():
    (closed,) = await answers_to(websocket(b"", (b"origin", b"https://example.org")), greet, keyed=False)
    assert closed["type"] == "websocket.close"


async def test_answer_that_fails_midway_is_left_unfinished(caplog):
    async def fail(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("broken")

    sent = await answers_to(request(), fail)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[-1]["more_body"], "a client must not take half an answer for the whole"
    assert "failed inside the gateway" in caplog.text


async def test_head_of_an_endless_answer_ends():
    async def stream(scope: Any, _receive: Any, send: Any) -> None:
        assert scope["method"] == "GET"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"more", "more_body": True})

    start, body = await answers_to(request("HEAD"), stream)
    assert start["status"] == 200
    assert body == {"type": "http.response.body", "body": b"", "more_body": False}


@pytest.mark.parametrize(
    ("version", "hosts", "status"),
    [
        ("1.1", [], 400),
        ("1.1", [b"localhost", b"localhost"], 400),
        ("1.1", [b"localhost", b"example.org"], 400),
        ("1.1", [b"localhost"], 200),
        ("1.0", [], 200),
        ("1.0", [b"localhost", b"localhost"], 400),
    ],
)
@pytest.mark.parametrize("path", ["/livez", "/v1/models"])
@pytest.mark.parametrize("keyed", [False, True])
async def test_a_request_names_one_host(version: str, hosts: list[bytes], status: int, path: str, *, keyed: bool):
    async def answer(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    headers = [(b"host", host) for host in hosts] + [(b"authorization", b"Bearer rmd_read")]
    scope = {**request(), "path": path, "http_version": version, "headers": headers}
    start, *_ = await answers_to(scope, answer, keyed=keyed)
    assert start["status"] == status


async def test_a_websocket_names_one_host():
    scope = {**websocket(b"api_key=rmd_manage"), "headers": [HOST, HOST]}
    assert await answers_to(scope, greet) == [{"type": "websocket.close", "code": 1008, "reason": "invalid_request"}]


async def test_what_was_answered_is_told_by_the_routes_template():
    told: list[tuple[str, str, int]] = []
    made = parts(
        keyed=True, on_answered=lambda method, template, status, seconds: told.append((method, template, status))
    )
    async with client(made) as caller:
        await caller.get("/health")
        await caller.head("/docs")
        await caller.get("/status/some-task")
        await caller.get("/no/such")
        await caller.options("/health", headers={"origin": "http://x", "access-control-request-method": "GET"})
    async with client(made, scope=Scope.INFERENCE) as caller:
        await caller.get("/status/some-task")
        await caller.get("/no/such")
    assert told == [
        ("GET", "/health", 200),
        ("HEAD", "/docs", 200),
        ("GET", "", 401),
        ("GET", "", 401),
        ("OPTIONS", "", 403),
        ("GET", "/status/{task_id}", 404),
        ("GET", "", 404),
    ]
