"""Who asks, where a reverse proxy stands before the gateway: over real sockets, on the lane and on ordinary routes."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import running_gateway

ABROAD = "203.0.113.9"
BODY = {"model": "fake", "messages": [{"role": "user", "content": "Hello"}]}
TRUSTING: dict[str, Any] = {"trusted_proxies": ["127.0.0.1", "10.0.0.0/8"]}
SECRET = "a-key-of-my-own-choice"


async def statuses(url: str, headers: list[tuple[str, str]]) -> tuple[int, int]:
    """Of an inference request on the lane, and of an ordinary one."""
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        lane = await client.post("/v1/chat/completions", json=BODY)
        ordinary = await client.get("/v1/models")
    return lane.status_code, ordinary.status_code


@pytest.mark.parametrize(
    ("named", "status"),
    [
        (["127.0.0.1"], 200),
        (["::1"], 200),
        (["127.0.0.5, 10.0.0.1"], 200),
        ([f"{ABROAD}, 127.0.0.5"], 200),
        ([ABROAD], 401),
        ([f"127.0.0.5, {ABROAD}"], 401),
        (["127.0.0.5", ABROAD], 401),
        ([f"{ABROAD}, 10.0.0.1"], 401),
        (["nonsense"], 401),
        ([], 401),
    ],
)
async def test_a_trusted_proxy_says_whether_the_client_is_a_local_program(
    upstream: FakeUpstream, tmp_path: Path, named: list[str], status: int
) -> None:
    upstreams = [{"url": upstream.url, "models": ["fake"]}]
    async with running_gateway(tmp_path, upstreams=upstreams, server=TRUSTING) as gateway:
        assert await statuses(gateway.url, [("x-forwarded-for", each) for each in named]) == (status, status)
        await gateway.at_rest()


@pytest.mark.parametrize("header", ["x-forwarded-for", "x-real-ip", "forwarded"])
async def test_one_that_is_not_trusted_makes_nobody_local(upstream: FakeUpstream, tmp_path: Path, header: str) -> None:
    upstreams = [{"url": upstream.url, "models": ["fake"]}]
    async with running_gateway(tmp_path, upstreams=upstreams, server={"trusted_proxies": ["10.0.0.0/8"]}) as gateway:
        assert await statuses(gateway.url, []) == (200, 200)
        assert await statuses(gateway.url, [(header, "127.0.0.1")]) == (401, 401)
        await gateway.at_rest()


async def test_with_a_key_it_does_not_matter_where_a_client_is(upstream: FakeUpstream, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "upstreams": [{"url": upstream.url, "models": ["fake"]}],
        "server": TRUSTING,
        "auth": {"api_keys": [SECRET]},
    }
    async with running_gateway(tmp_path, **settings) as gateway:
        key = ("authorization", f"Bearer {SECRET}")
        for named in ("127.0.0.1", ABROAD, "nonsense"):
            assert await statuses(gateway.url, [key, ("x-forwarded-for", named)]) == (200, 200)
            assert await statuses(gateway.url, [("x-forwarded-for", named)]) == (401, 401)
        await gateway.at_rest()


@pytest.mark.parametrize(("trusted", "scheme"), [("127.0.0.1", "https"), ("10.0.0.0/8", "http")])
async def test_only_a_trusted_proxy_says_how_the_client_came(tmp_path: Path, trusted: str, scheme: str) -> None:
    upstreams = [{"url": "http://127.0.0.1:9/v1", "models": ["fake"]}]
    async with running_gateway(tmp_path, upstreams=upstreams, server={"trusted_proxies": [trusted]}) as gateway:
        headers = {"accept": "text/html", "host": "llm.example.org", "x-forwarded-proto": "https"}
        async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
            assert f"{scheme}://llm.example.org/v1" in (await client.get("/", headers=headers)).text
