"""`/api/account`: the shapes of document S4 (1.4, Auth)."""

from typing import Any

import pytest

from remuda.core.keys import Scope
from remuda.dialects.nodes.account import LOGIN, LOGOUT, MAX_BODY_BYTES, REFRESH, REFRESH_COOKIE
from remuda.gateway.authenticate import SESSION_COOKIE
from remuda.gateway.guesses import PER_ADDRESS
from remuda.gateway.headers import Cors
from tests.fixtures.asgi import PASSWORD, client, parts, parts_with, user

RIGHT = {"username": "root", "password": PASSWORD}


def made() -> Any:
    return parts_with(user(), user("ann", Scope.INFERENCE, epoch=2))


@pytest.mark.parametrize(
    "sent",
    [
        {"json": RIGHT},
        {"json": {"account": "root", "passwd": PASSWORD}},
        {"json": {"username": "root", "passwd": PASSWORD, "remember": True}},
        {"data": RIGHT},
        {"content": f'{{"username": "root", "password": "{PASSWORD}"}}'},
    ],
    ids=["json", "other names", "more than is known", "form", "no type"],
)
async def test_log_in_gives_both_tokens(sent: dict[str, Any]):
    async with client(made()) as caller:
        answer = await caller.post(LOGIN, **sent)
        assert answer.status_code == 200
        assert set(answer.json()) == {"access", "refresh"}
        assert answer.headers["cache-control"] == "no-store"
        access = {"authorization": f"Bearer {answer.json()['access']}"}
        assert (await caller.get("/v1/models", headers=access)).status_code == 200
        assert (await caller.get("/v1/models")).status_code == 401


@pytest.mark.parametrize(
    ("sent", "status", "detail"),
    [
        ({}, 400, "Missing credentials."),
        ({"json": {}}, 400, "Missing credentials."),
        ({"json": {"username": "root"}}, 400, "Missing credentials."),
        ({"json": {"password": PASSWORD}}, 400, "Missing credentials."),
        ({"json": {"username": "", "password": ""}}, 400, "Missing credentials."),
        ({"json": {"username": "root", "password": "wrong"}}, 401, "Invalid credentials."),
        ({"json": {"username": "nobody", "password": PASSWORD}}, 401, "Invalid credentials."),
        ({"json": {"username": 1, "password": PASSWORD}}, 400, "the request body is not as it should be"),
        ({"json": []}, 400, "the request body is not as it should be"),
        ({"content": "{"}, 400, "the request body is not valid JSON"),
        ({"content": b"\xff"}, 400, "the request body is not valid JSON"),
        ({"content": "x" * (MAX_BODY_BYTES + 1)}, 400, "the request body is larger than"),
        ({"content": "x", "headers": {"content-type": "text/plain"}}, 415, "the request body is to be JSON"),
        ({"data": {f"n{n}": "x" for n in range(99)}}, 400, "the request body is not valid"),
    ],
)
async def test_what_does_not_log_in(sent: dict[str, Any], status: int, detail: str):
    async with client(made()) as caller:
        answer = await caller.post(LOGIN, **sent)
    assert answer.status_code == status
    assert set(answer.json()) == {"detail"}
    assert answer.json()["detail"].startswith(detail)
    assert PASSWORD not in answer.text


async def test_refresh_gives_another_access_token():
    async with client(made()) as caller:
        pair = (await caller.post(LOGIN, json=RIGHT)).json()
        answer = await caller.post(REFRESH, json={"refresh": pair["refresh"]})
        assert (answer.status_code, set(answer.json())) == (200, {"access"})
        access = {"authorization": f"Bearer {answer.json()['access']}"}
        assert (await caller.get("/api/tags", headers=access)).status_code == 200
        for token in (pair["access"], "x", "eyJ.x.y"):
            answer = await caller.post(REFRESH, json={"refresh": token})
            assert answer.status_code == 401
            assert answer.json()["code"] == "token_not_valid"
        answer = await caller.post(REFRESH, json={})
        assert (answer.status_code, answer.json()) == (400, {"refresh": ["This field is required."]})


async def test_guessing_ends():
    async with client(made()) as caller:
        statuses = [
            (await caller.post(LOGIN, json={"username": f"u{n}", "password": "wrong"})).status_code
            for n in range(PER_ADDRESS)
        ]
        assert set(statuses) == {401}
        answer = await caller.post(LOGIN, json=RIGHT)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert set(answer.json()) == {"detail"}


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://127.0.0.1:7368", 200),
        ("https://ui.example", 200),
        ("https://evil.example", 403),
        ("http://127.0.0.1:9999", 403),
        ("null", 403),
    ],
)
async def test_pages_elsewhere_do_not_log_in(origin: str | None, status: int):
    keyed = parts_with(user(), cors=Cors(("https://ui.example",)))
    async with client(keyed, headers={"origin": origin} if origin else {}) as caller:
        answer = await caller.post(LOGIN, json=RIGHT)
    assert answer.status_code == status
    assert ("detail" in answer.json()) is (status == 403)


async def test_while_nobody_exists_the_door_is_open_to_this_machine_alone():
    async with client(parts()) as caller:
        assert (await caller.post(LOGIN, json=RIGHT)).status_code == 401
        assert (await caller.post(LOGIN, json=RIGHT, headers={"origin": "https://evil.example"})).status_code == 403
        assert (await caller.post(LOGIN, json=RIGHT, headers={"host": "evil.example"})).status_code == 403
    async with client(parts(), peer=("203.0.113.9", 1)) as caller:
        assert (await caller.post(LOGIN, json=RIGHT)).status_code == 401


async def test_a_user_may_do_what_its_scopes_say():
    used: list[str] = []
    async with client(parts_with(user(), user("ann", Scope.INFERENCE, epoch=2), on_key_used=used.append)) as caller:
        pair = (await caller.post(LOGIN, json={"username": "ann", "password": PASSWORD})).json()
        access = {"authorization": f"Bearer {pair['access']}"}
        assert (await caller.get("/v1/models", headers=access)).status_code == 200
        answer = await caller.put("/openapi.json", headers=access)
        assert answer.status_code == 403
        assert answer.json()["error"]["message"] == "the user lacks the scope 'manage' that this needs"
        assert used == ["user:ann", "user:ann"]
        answer = await caller.get("/api/account/nothing", headers=access)
        assert (answer.status_code, set(answer.json())) == (404, {"detail"})
        pair = (await caller.post(LOGIN, json=RIGHT)).json()
        answer = await caller.get(LOGIN, headers={"authorization": f"Bearer {pair['access']}"})
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_token_does_where_keys_exist_too():
    async with client(parts_with(user(), keyed=True)) as caller:
        pair = (await caller.post(LOGIN, json=RIGHT)).json()
        for headers in ({"authorization": f"Bearer {pair['access']}"}, {"x-api-key": pair["access"]}):
            assert (await caller.get("/v1/models", headers=headers)).status_code == 200
        answer = await caller.get("/v1/models", headers={"authorization": f"Bearer {pair['refresh']}"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_not_valid")
        answer = await caller.get("/v1/models", headers={"authorization": "Bearer rmd_nothing"})
        assert answer.json()["error"]["code"] == "invalid_api_key"


HERE = {"origin": "http://127.0.0.1:7368"}
"""As a page of the gateway says."""


@pytest.mark.parametrize("sent", [{"json": {**RIGHT, "cookie": True}}, {"data": {**RIGHT, "cookie": "on"}}])
async def test_a_browser_may_keep_the_tokens_in_cookies(sent: dict[str, Any]):
    async with client(made()) as caller:
        answer = await caller.post(LOGIN, **sent)
        assert (answer.status_code, answer.json()) == (200, {"expires_in": 300})
        session, refresh = answer.headers.get_list("set-cookie")
        for said in ("HttpOnly", "SameSite=strict"):
            assert said in session
            assert said in refresh
        assert session.startswith(f"{SESSION_COOKIE}=eyJ")
        assert "Max-Age=300; Path=/; SameSite" in session
        assert "Max-Age=86400; Path=/api/account; SameSite" in refresh
        assert "Secure" not in session
        assert (await caller.get("/v1/models")).status_code == 200
        assert (await caller.put("/openapi.json", headers=HERE)).status_code == 405
        assert (await caller.put("/openapi.json")).status_code == 403
        assert (await caller.put("/openapi.json", headers={"origin": "http://127.0.0.1:3000"})).status_code == 403


async def test_over_tls_the_cookies_go_nowhere_else():
    async with client(made(), base_url="https://gate.example") as caller:
        answer = await caller.post(LOGIN, json={**RIGHT, "cookie": True})
    assert ["Secure" in said for said in answer.headers.get_list("set-cookie")] == [True, True]


async def test_a_cookie_gets_another_access_token():
    async with client(made()) as caller:
        await caller.post(LOGIN, json={**RIGHT, "cookie": True})
        before = caller.cookies[SESSION_COOKIE]
        answer = await caller.post(REFRESH, headers=HERE)
        assert (answer.status_code, answer.json()) == (200, {"expires_in": 300})
        assert caller.cookies[SESSION_COOKIE] != before
        assert (await caller.get("/v1/models")).status_code == 200
        assert (await caller.post(REFRESH, headers={"origin": "https://evil.example"})).status_code == 403
        caller.cookies.clear()
        caller.cookies.set(REFRESH_COOKIE, "wrong")
        assert (await caller.post(REFRESH, headers=HERE)).status_code == 401


async def test_logging_out_forgets_the_cookies():
    async with client(made()) as caller:
        await caller.post(LOGIN, json={**RIGHT, "cookie": True})
        assert (await caller.post(LOGOUT, headers={"origin": "https://evil.example"})).status_code == 403
        answer = await caller.post(LOGOUT, headers=HERE)
        assert (answer.status_code, answer.content) == (204, b"")
        assert not caller.cookies
        assert (await caller.get("/v1/models")).status_code == 401
        assert (await caller.post(REFRESH, headers=HERE)).status_code == 400
        assert (await caller.post(LOGOUT)).status_code == 204, "also without one"


@pytest.mark.parametrize("shown", ["bearer", "x-api-key", "body", "form", "session cookie", "refresh cookie"])
async def test_logging_out_ends_the_session_by_whichever_token_is_shown(shown: str):
    async with client(made()) as caller:
        pair, other = [(await caller.post(LOGIN, json=RIGHT)).json() for _ in range(2)]
        sent: dict[str, dict[str, Any]] = {
            "bearer": {"headers": {"authorization": f"Bearer {pair['access']}"}},
            "x-api-key": {"headers": {"x-api-key": pair["access"]}},
            "body": {"json": {"refresh": pair["refresh"]}},
            "form": {"data": {"refresh": pair["refresh"]}},
            "session cookie": {"headers": {"cookie": f"{SESSION_COOKIE}={pair['access']}"}},
            "refresh cookie": {"headers": {"cookie": f"{REFRESH_COOKIE}={pair['refresh']}"}},
        }
        assert (await caller.post(LOGOUT, **sent[shown])).status_code == 204
        access = {"authorization": f"Bearer {pair['access']}"}
        answer = await caller.get("/v1/models", headers=access)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_not_valid")
        assert (await caller.post(REFRESH, json={"refresh": pair["refresh"]})).status_code == 401
        assert (await caller.post(LOGOUT, headers=access)).status_code == 204, "once more"
        assert (await caller.post(REFRESH, json={"refresh": other["refresh"]})).status_code == 200


async def test_logging_out_without_a_session_of_anybody():
    async with client(made()) as caller:
        for sent in ({}, {"headers": {"authorization": "Bearer rmd_key"}}, {"data": {"refresh": "\xff"}}):
            assert (await caller.post(LOGOUT, **sent)).status_code == 204
        assert (await caller.post(LOGOUT, json=[])).status_code == 400
