"""The application as a whole: what holds for every ordinary route."""

import logging
from contextlib import asynccontextmanager

import pytest
from fastapi import Request

from remuda.app.asgi import build_app, inner_app
from remuda.app.routes import route_table
from remuda.core.keys import Scope
from remuda.dialects.kit.access import READING
from remuda.dialects.openai.routes import METHODS
from remuda.gateway.headers import Cors
from tests.fixtures.asgi import BASE, client, parts

PUBLIC = ("/", "/api/health", "/docs", "/health", "/livez", "/metrics", "/readyz", "/redoc", "/swagger", "/version")
LOG_INS = {
    ("POST", "/api/account/login"): 400,
    ("POST", "/api/account/refresh"): 400,
    ("POST", "/api/account/logout"): 204,
}
"""What they say to a body without a credential."""
EVERYWHERE = {  # rows 35, 59-62
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-xss-protection": "1; mode=block",
    "strict-transport-security": "max-age=31536000",
    "x-api-version": "v1.0.0",
}
PAGE = "https://chat.example.org"


def every_route() -> list[tuple[str, str]]:
    rows = route_table(parts())
    pairs = [(row.method, row.path) for row in rows]
    return [
        (method, path.replace("{name:path}", "x").replace("{rest:path}", "y"))
        for known, path in pairs
        for method in (METHODS if known == "*" else (known,))
    ]


@pytest.mark.parametrize(
    "path", [*PUBLIC, "/v1/models", "/v1/models/none", "/v1/audio/speech", "/nothing", "/v1/nothing"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("keyed", [False, True])
async def test_every_answer_has_the_standing_headers_and_an_id(method, path, keyed):  # rows 35, 59-62
    async with client(parts(keyed=keyed)) as caller:
        answer = await caller.request(method, path)
    assert {name: answer.headers[name] for name in EVERYWHERE} == EVERYWHERE
    assert answer.headers["x-request-id"].startswith("req_")
    assert len(answer.headers.get_list("x-request-id")) == 1


async def test_nothing_but_the_public_paths_is_served_without_a_key():
    async with client(parts(keyed=True)) as caller:
        for method, path in every_route():
            status = (await caller.request(method, path)).status_code
            is_public = (path in PUBLIC or path.startswith("/docs/")) and method in READING
            if (method, path) in LOG_INS:
                assert status == LOG_INS[method, path]
            else:
                assert (status == 200) if is_public else (status == 401), (method, path)


@pytest.mark.parametrize("path", ["/nothing", "/v1/nothing", "//livez", "/livez/", "/health/../v1/models", "/Health"])
async def test_unknown_paths_are_closed_too(path):
    async with client(parts(keyed=True)) as caller:
        assert (await caller.get(BASE + path)).status_code == 401


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/nothing", {"error"}),
        ("/nothing", {"error"}),
        ("/api/nothing", {"error"}),
        ("/api/tags/nothing", {"error"}),
        ("/api/account/nothing", {"detail"}),
        ("/api/proxy/nothing", {"error"}),
        ("/api/proxy/nodes/1/nothing", {"detail"}),
    ],
)
async def test_unknown_paths_are_refused_in_the_words_of_their_prefix(path, fields):  # C12
    async with client(parts(keyed=True), scope=Scope.ADMIN) as caller:
        answer = await caller.get(path)
    assert (answer.status_code, set(answer.json())) == (404, fields)
    if "error" in fields:
        assert isinstance(answer.json()["error"], str) is path.startswith("/api")


@pytest.mark.parametrize("path", PUBLIC)
async def test_public_paths_are_public_to_readers_only(path):
    async with client(parts(keyed=True)) as caller:
        assert (await caller.get(path)).status_code == 200
        assert (await caller.head(path)).status_code == 200
        assert (await caller.post(path)).status_code == 401
    async with client(parts(keyed=True), scope=Scope.READ) as caller:
        assert (await caller.post(path)).status_code == 403, "a reader may not even try to change something"


@pytest.mark.parametrize(
    ("scope", "path", "status"),
    [
        (Scope.INFERENCE, "/v1/models", 200),
        (Scope.READ, "/v2/models", 200),
        (Scope.ADMIN, "/v1/models", 200),
        (Scope.MANAGE, "/v1/models", 403),
        (Scope.INFERENCE, "/openapi.json", 200),
        (Scope.MANAGE, "/openapi.json", 403),
        (Scope.INFERENCE, "/nothing", 404),
        (Scope.MANAGE, "/nothing", 404),
        (Scope.MANAGE, "/v1/nothing", 404),
        (Scope.READ, "/nothing", 404),
    ],
)
async def test_keys_reach_what_their_scope_allows(scope, path, status):  # row 58
    async with client(parts(keyed=True), scope=scope) as caller:
        assert (await caller.get(path)).status_code == status


@pytest.mark.parametrize(
    ("scope", "path", "noted"),
    [
        (Scope.READ, "/v1/models", ["key_read"]),
        (Scope.READ, "/nothing", ["key_read"]),
        (Scope.MANAGE, "/v1/models", ["key_manage"]),
        (Scope.READ, "/livez", []),
        (None, "/v1/models", []),
    ],
)
async def test_use_of_a_key_is_noted_whatever_it_came_to(scope, path, noted):
    used: list[str] = []
    async with client(parts(keyed=True, on_key_used=used.append), scope=scope) as caller:
        await caller.get(path)
    assert used == noted


async def test_while_no_key_is_needed_none_is_noted():
    used: list[str] = []
    async with client(parts(on_key_used=used.append), headers={"x-api-key": "dummy"}) as caller:
        assert (await caller.get("/v1/models")).status_code == 200
        assert (await caller.get("/v1/models", headers={"origin": PAGE})).status_code == 403
    assert used == []


async def test_nothing_to_change_is_told_to_who_may_change_nothing():
    async with client(parts(keyed=True), scope=Scope.READ) as caller:
        assert (await caller.post("/nothing")).status_code == 404
        assert (await caller.post("/livez")).status_code == 403
    async with client(parts(keyed=True)) as caller:
        assert (await caller.post("/nothing")).status_code == 401


async def test_wrong_key_is_told_how_to_give_a_right_one():  # rows 58, 66
    async with client(parts(keyed=True), headers={"x-api-key": "rmd_wrong"}) as caller:
        answer = await caller.get("/v1/models")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]


async def test_key_in_the_query_is_no_key_for_ordinary_routes():
    async with client(parts(keyed=True)) as caller:
        assert (await caller.get("/v1/models", params={"api_key": "rmd_read"})).status_code == 401


async def test_keyless_caller_must_be_on_this_machine():
    async with client(peer=("203.0.113.9", 1)) as caller:
        assert (await caller.get("/v1/models")).status_code == 401
    async with client() as caller:
        assert (await caller.get("/v1/models")).status_code == 200
        assert (await caller.get("/v1/models", headers={"host": "rebound.example.org"})).status_code == 403
        assert (await caller.get("/v1/models", headers={"origin": PAGE})).status_code == 403
        assert (await caller.get("/v1/models", headers={"x-forwarded-for": "127.0.0.1"})).status_code == 401


async def test_own_request_id_is_kept_where_it_is_safe():  # C29
    async with client() as caller:
        assert (await caller.get("/livez", headers={"x-request-id": "mine-1"})).headers["x-request-id"] == "mine-1"
        for bad in ("two words", "x" * 129, "semi;colon"):
            answer = await caller.get("/livez", headers={"x-request-id": bad})
            assert answer.headers["x-request-id"].startswith("req_"), bad


async def test_pages_of_allowed_origins_may_read_every_answer():  # C30
    async with client(parts(keyed=True, cors=Cors([PAGE]))) as caller:
        for path, status in (("/livez", 200), ("/v1/models", 401), ("/v1/nothing", 401)):
            answer = await caller.get(path, headers={"origin": PAGE})
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, PAGE)
            assert "Origin" in answer.headers["vary"]
        other = await caller.get("/livez", headers={"origin": "https://other.example.org"})
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/anything"])
async def test_preflight_is_answered_without_a_key_on_lane_paths_too(path):  # C30
    asks = {"origin": PAGE, "access-control-request-method": "POST"}
    async with client(parts(keyed=True, cors=Cors([PAGE]))) as caller:
        answer = await caller.options(path, headers=asks)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "authorization" in answer.headers["access-control-allow-headers"]
        refused = await caller.options(path, headers=asks | {"origin": "https://other.example.org"})
        assert refused.status_code == 403
        assert "access-control-allow-origin" not in refused.headers


OPENAI_JS = "authorization, content-type, x-stainless-arch, x-stainless-lang, x-stainless-retry-count"
USUAL = "authorization, content-type, x-api-key, x-request-id, traceparent, tracestate"


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (OPENAI_JS, OPENAI_JS),
        ("x-stainless-os,x-stainless-runtime", "x-stainless-os,x-stainless-runtime"),
        (None, USUAL),
        ("", USUAL),
        ("two words", USUAL),
        ("a;b", USUAL),
        ("a,,b", USUAL),
        (", ".join(["x-long-name"] * 157), ", ".join(["x-long-name"] * 157)),
        (", ".join(["x-long-name"] * 158), USUAL),
    ],
    ids=["openai", "tight", "nothing", "empty", "words", "separators", "holes", "longest", "too-long"],
)
async def test_pages_of_allowed_origins_may_send_the_headers_they_ask_for(asked, allowed):
    asks = {"origin": PAGE, "access-control-request-method": "POST"}
    asks |= {} if asked is None else {"access-control-request-headers": asked}
    async with client(parts(keyed=True, cors=Cors([PAGE]))) as caller:
        answer = await caller.options("/v1/chat/completions", headers=asks)
        assert (answer.status_code, answer.headers["access-control-allow-headers"]) == (204, allowed)
        refused = await caller.options("/v1/chat/completions", headers=asks | {"origin": "https://other.example.org"})
        assert "access-control-allow-headers" not in refused.headers


@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/models/none", "/openapi.json", "/nothing"])
async def test_head_is_get_without_its_body(path):
    async with client() as caller:
        got, head = await caller.get(path), await caller.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize(
    ("path", "allow"),
    [("/v1/chat/completions", "POST"), ("/v2/rerank", "POST"), ("/v1/models", "GET, HEAD"), ("/livez", "GET, HEAD")],
)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_wrong_method_is_told_the_right_ones(method, path, allow):  # row 65
    async with client() as caller:
        answer = await caller.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)
    assert answer.json()["error"]["code"] == "method_not_allowed"


async def test_slash_at_the_end_is_another_address():
    async with client() as caller:
        assert (await caller.get("/v1/models/")).status_code == 404
        assert (await caller.get("/livez/")).status_code == 404


async def test_too_large_a_body_is_refused_whether_announced_or_not():  # row 65
    app = inner_app(parts())

    async def take(request: Request) -> dict[str, int]:
        return {"size": len(await request.body())}

    app.add_api_route("/take", take, methods=["POST"])

    async def pieces():
        for _ in range(4):
            yield b"x" * 4

    async with client(app=_fronted(app, max_body_bytes=10)) as caller:
        assert (await caller.post("/take", content=b"x" * 10)).json() == {"size": 10}
        announced = await caller.post("/take", content=b"x" * 11)
        grown = await caller.post("/take", content=pieces())
    assert announced.status_code == grown.status_code == 413
    assert announced.json()["error"]["code"] == grown.json()["error"]["code"] == "body_too_large"


async def test_files_for_nodes_have_a_bound_of_their_own():
    app = inner_app(parts())

    async def take(request: Request) -> dict[str, int]:
        return {"size": len(await request.body())}

    app.router.routes.clear()
    app.add_api_route("/api/blobs/{digest}", take, methods=["POST", "PUT"])
    app.add_api_route("/api/blobs/{digest}/more", take, methods=["POST"])
    async with client(app=_fronted(app, max_body_bytes=10, max_blob_bytes=20)) as caller:
        assert (await caller.post("/api/blobs/x", content=b"x" * 20)).json() == {"size": 20}
        assert (await caller.post("/api/blobs/x", content=b"x" * 21)).status_code == 413
        assert (await caller.put("/api/blobs/x", content=b"x" * 11)).status_code == 413
        assert (await caller.post("/api/blobs/x/more", content=b"x" * 11)).status_code == 413


async def test_invalid_parameter_is_a_400_that_names_it():  # row 66, C13
    app = inner_app(parts())

    async def take(limit: int, body: dict[str, int] | None = None) -> int:
        return limit

    app.add_api_route("/take", take, methods=["POST"])
    async with client(app=_fronted(app)) as caller:
        wrong = await caller.post("/take?limit=many")
        missing = await caller.post("/take")
        not_json = await caller.post("/take?limit=1", content=b"{", headers={"content-type": "application/json"})
        inside = await caller.post("/take?limit=1", json={"a": "b"})
    assert [answer.status_code for answer in (wrong, missing, not_json, inside)] == [400] * 4
    assert wrong.json()["error"]["details"] == {
        "parameter": "limit",
        "received_value": "many",
        "expected_type": "int",
    }
    assert missing.json()["error"]["message"] == "the request is missing the required parameter 'limit'"
    assert not_json.json()["error"]["code"] == "invalid_json"
    assert inside.json()["error"]["param"] == "a"


async def test_the_unexpected_is_logged_with_the_id_and_tells_the_client_nothing(caplog):
    app = inner_app(parts())

    async def fail() -> None:
        raise RuntimeError("a secret detail")

    app.add_api_route("/fail", fail)
    with caplog.at_level(logging.ERROR):
        async with client(app=_fronted(app)) as caller:
            answer = await caller.get("/fail", headers={"x-request-id": "mine-2"})
    assert answer.status_code == 500
    assert answer.json()["error"]["request_id"] == "mine-2"
    assert "secret" not in answer.text
    assert [record.getMessage() for record in caplog.records] == ["request mine-2 failed inside the gateway"]
    assert caplog.records[0].exc_info is not None


async def test_caller_and_id_are_at_hand_in_a_route():
    app = inner_app(parts())

    async def who(request: Request) -> list[str]:
        return [request.state.caller.key_id, request.state.request_id]

    app.add_api_route("/who", who)
    async with client(app=_fronted(app, keyed=True), scope=Scope.READ) as caller:
        assert (await caller.get("/who", headers={"x-request-id": "mine-3"})).json() == ["key_read", "mine-3"]


async def test_lifespan_is_entered_and_left():
    seen = []

    @asynccontextmanager
    async def lifespan(_app):
        seen.append("entered")
        yield
        seen.append("left")

    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive():
        return next(events)

    async def send(message):
        seen.append(message["type"])

    await build_app(parts(lifespan=lifespan))({"type": "lifespan", "state": {}}, receive, send)
    assert seen == ["entered", "lifespan.startup.complete", "left", "lifespan.shutdown.complete"]


def _fronted(app, *, keyed=False, max_body_bytes=1024, max_blob_bytes=1024):
    """The whole application, with `app` behind its front."""
    front = build_app(parts(keyed=keyed, max_body_bytes=max_body_bytes, max_blob_bytes=max_blob_bytes))
    front.app = app
    return front
