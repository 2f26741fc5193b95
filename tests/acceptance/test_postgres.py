"""The same gateway with its store on Postgres: nothing on the request path notices, nothing is lost when it goes."""

import asyncio
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from remuda.core.keys import Key, Scope, digest_of, secret_from
from remuda.store.keys import create_key
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import running_gateway
from tests.fixtures.postgres import PostgresServer, private_postgres
from tests.fixtures.together import one_asks_until_it_ends

pytestmark = [pytest.mark.postgres, pytest.mark.xdist_group("postgres")]

BODY = {"model": "fake", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with private_postgres() as running:
        yield running


async def test_a_gateway_on_postgres(server: PostgresServer, upstream: FakeUpstream, tmp_path: Path) -> None:
    url = server.url(server.new_database())
    upstreams = [{"url": upstream.url, "name": "one", "models": ["fake"]}]
    async with (
        running_gateway(tmp_path, upstreams=upstreams, database_url=url) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        assert (await client.post("/v1/chat/completions", json=BODY)).status_code == 200
        [record] = await gateway.records()
        assert (record.status, record.model, record.replica) == (200, "fake", "one/fake")

        secret = secret_from(secrets.token_bytes(20))
        key = Key("key_1", "me", digest_of(secret.encode()), secret[:10], frozenset({Scope.INFERENCE}), time.time())
        await create_key(gateway.remuda.store, key)
        await gateway.until(lambda: not gateway.remuda.gatekeeper.is_open, "the key is seen")
        assert (await client.post("/v1/chat/completions", json=BODY)).status_code == 401
        headers = {"Authorization": f"Bearer {secret}"}
        assert (await client.post("/v1/chat/completions", json=BODY, headers=headers)).status_code == 200


async def test_requests_are_answered_and_kept_while_postgres_is_away(
    server: PostgresServer, upstream: FakeUpstream, tmp_path: Path
) -> None:
    url = server.url(server.new_database())
    upstreams = [{"url": upstream.url, "name": "one", "models": ["fake"]}]
    async with (
        running_gateway(tmp_path, upstreams=upstreams, database_url=url) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        assert (await client.get("/readyz")).status_code == 200
        await asyncio.to_thread(server.stop)
        try:
            for _ in range(5):
                assert (await client.post("/v1/chat/completions", json=BODY)).status_code == 200
            await gateway.until(lambda: gateway.remuda.standing.unready() != [], "readiness says so")
        finally:
            await asyncio.to_thread(server.start)
        await gateway.until(lambda: gateway.remuda.standing.unready() == [], "the store is back")
        await gateway.until(
            lambda: gateway.remuda.journal.committed + gateway.remuda.journal.loaded == 5,
            "every record is in the store",
        )
        assert len(await gateway.records()) == 5


async def test_one_of_two_gateways_asks_the_nodes_and_when_it_ends_the_other_does(
    server: PostgresServer, tmp_path: Path
) -> None:
    await one_asks_until_it_ends(server.url(server.new_database()), tmp_path)


async def test_two_gateways_share_rules_and_have_one_open_event(
    server: PostgresServer, upstream: FakeUpstream, tmp_path: Path
) -> None:
    common = {
        "upstreams": [{"url": upstream.url, "name": "one", "models": ["fake"]}],
        "database_url": server.url(server.new_database()),
    }
    rule = {"name": "Any", "metric": "latency", "threshold": 0, "operator": "gt"}
    async with (
        running_gateway(tmp_path / "a", **common) as one,
        running_gateway(tmp_path / "b", **common) as two,
        httpx.AsyncClient(base_url=one.url, trust_env=False) as client,
        httpx.AsyncClient(base_url=two.url, trust_env=False) as other,
    ):
        for id_ in (1, 2, 3):
            await client.delete(f"/api/alerts/rules/{id_}")
        made = (await client.post("/api/alerts/rules", json=rule)).json()["id"]
        watch = two.remuda.alerting.watch
        await two.until(lambda: list(watch._rules) == [made], "the other has heard of the rule")
        for gateway, caller in ((one, client), (two, other)):
            assert (await caller.post("/v1/chat/completions", json=BODY)).status_code == 200
            await gateway.at_rest()
            gateway.remuda.recorder.flush()
            await gateway.remuda.alerting.watch.judge()
        assert len((await other.get("/api/alerts/events")).json()) == 1
        assert one.remuda.alerting.watch.events + watch.events == 1
