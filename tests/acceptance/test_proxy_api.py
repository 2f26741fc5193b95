"""Document S4's routes, on a running gateway with real nodes."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.raw import ASK, RawClient, post

HEALTH = {"probe_every_s": 0.2, "probe_again_s": 0.1}


@contextlib.asynccontextmanager
async def herd(
    folder: Path, *fixed: FakeUpstream, **values: Any
) -> AsyncIterator[tuple[RunningGateway, httpx.AsyncClient]]:
    upstreams = [{"url": each.url, "name": f"fixed{number}"} for number, each in enumerate(fixed)]
    async with (
        running_gateway(folder, upstreams=upstreams, health=HEALTH, **values) as gateway,
        httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30) as client,
    ):
        await gateway.until(
            lambda: all(each.state == "active" for each in gateway.remuda.nodes.statuses()), "all nodes are known"
        )
        yield gateway, client
        await gateway.at_rest()


async def test_a_node_from_its_creation_to_its_end(tmp_path: Path) -> None:
    async with FakeUpstream(models=("fake", "other")) as one, herd(tmp_path) as (_, client):
        created = await client.post(
            "/api/proxy/nodes", json={"name": "gpu", "address": one.host, "port": one.port, "active": True}
        )
        assert created.status_code == 201
        node = created.json()
        assert {name: node[name] for name in ("name", "address", "port", "active")} == {
            "name": "gpu",
            "address": "127.0.0.1",
            "port": one.port,
            "active": True,
        }
        assert (node["state"], node["available_models"], node["kind"]) == ("active", ["fake", "other"], "openai")
        assert node["created_at"].endswith("Z")
        path = f"/api/proxy/nodes/{node['id']}"
        assert (await client.get(path)).json()["name"] == "gpu"
        assert (await client.get(path, params={"fields": "id,name"})).json() == {"id": node["id"], "name": "gpu"}
        page = (await client.get("/api/proxy/nodes")).json()
        assert (page["count"], page["next"], page["previous"]) == (1, None, None)
        assert [each["id"] for each in page["results"]] == [node["id"]]

        changed = await client.patch(path, json={"name": "big", "weight": 3})
        assert (changed.json()["name"], changed.json()["weight"], changed.json()["url"]) == ("big", 3, node["url"])
        drained = await client.put("/api/proxy/nodes", params={"id": node["id"]}, json={"active": False})
        assert (drained.json()["state"], drained.json()["active"]) == ("draining", False)
        state = (await client.get("/api/proxy/state")).json()
        assert (state["active"], state["standby"]) == ([], [node["url"]])

        assert (await client.delete(path)).status_code == 204
        assert (await client.get(path)).status_code == 404
        assert (await client.delete(path)).json() == {"detail": f"there is no node {node['id']}"}
        assert (await client.get("/api/proxy/nodes")).json()["count"] == 0


async def test_a_node_that_does_not_answer_is_kept_and_says_why(tmp_path: Path) -> None:
    async with FakeUpstream() as gone:
        port = gone.port
    async with herd(tmp_path) as (_, client):
        created = await client.post("/api/proxy/nodes", json={"name": "gone", "address": "127.0.0.1", "port": port})
        assert (created.status_code, created.json()["state"], created.json()["active"]) == (201, "standby", False)
        assert "cannot be reached" in created.json()["reason"]


@pytest.mark.parametrize(
    ("sent", "status", "field"),
    [
        ({"name": "x"}, 400, "address"),
        ({"address": "10.0.0.5", "port": 70000}, 400, "port"),
        ({"address": "10.0.0.5", "port": "many"}, 400, "port"),
        ({"address": "169.254.169.254"}, 400, "address"),
        ({"address": "file:///etc/passwd"}, 400, "address"),
        ({"url": "unix:/run/docker.sock"}, 400, "address"),
        ({"address": "10.0.0.5", "name": "a/b"}, 400, "name"),
        ({"address": "10.0.0.5", "slots": 0}, 400, "slots"),
        ({"address": "10.0.0.5", "kind": "printer"}, 400, "kind"),
        ({"address": "10.0.0.5", "api_key": "a b"}, 400, "api_key"),
        ({"address": "10.0.0.5", "api_key_env": "DATABASE_URL"}, 400, "api_key_env"),
        ({"address": "127.1"}, 400, "address"),
    ],
)
async def test_what_cannot_be_a_node_is_refused(sent: dict[str, Any], status: int, field: str, tmp_path: Path) -> None:
    async with herd(tmp_path) as (_, client):
        answer = await client.post("/api/proxy/nodes", json=sent)
        assert answer.status_code == status, answer.text
        assert list(answer.json()) == [field]
        assert (await client.get("/api/proxy/nodes")).json()["count"] == 0


async def test_a_node_that_has_a_key_moves_only_together_with_it(tmp_path: Path) -> None:
    async with FakeUpstream() as other, herd(tmp_path) as (_, client):
        made = await client.post("/api/proxy/nodes", json={"url": "http://127.0.0.1:9", "api_key": "sk-node"})
        path = f"/api/proxy/nodes/{made.json()['id']}"
        refused = await client.patch(path, json={"url": other.url})
        assert (refused.status_code, list(refused.json())) == (400, ["api_key"])
        assert (other.connections, "sk-node" in refused.text) == (0, False)
        moved = await client.patch(path, json={"url": other.url, "api_key": ""})
        assert moved.status_code == 200


async def test_bodies_ids_and_methods_that_make_no_sense(tmp_path: Path) -> None:
    async with herd(tmp_path) as (_, client):
        assert (await client.post("/api/proxy/nodes", content=b"{")).status_code == 400
        assert (await client.get("/api/proxy/nodes/none")).status_code == 400
        assert (await client.get("/api/proxy/nodes/7")).status_code == 404
        assert (await client.delete("/api/proxy/nodes")).status_code == 405
        assert (await client.get("/api/proxy/nodes", params={"limit": "all"})).status_code == 400
        assert (await client.get("/api/proxy/active-requests", params={"node_id": "x"})).status_code == 400
        assert (await client.get("/api/proxy/active-requests", params={"node_id": "9"})).json() == {
            "error": "there is no node 9"
        }


async def test_a_name_and_an_address_are_taken_once_and_settings_stay(tmp_path: Path) -> None:
    async with FakeUpstream() as one, herd(tmp_path, one) as (_, client):
        twice = await client.post("/api/proxy/nodes", json={"name": "again", "url": one.url})
        assert (twice.status_code, list(twice.json())) == (409, ["detail"])
        for method in ("PATCH", "DELETE"):
            answer = await client.request(method, "/api/proxy/nodes/-1", json={"name": "mine"})
            assert (answer.status_code, "settings" in answer.json()["detail"]) == (409, True)


async def test_pages(tmp_path: Path) -> None:
    async with herd(tmp_path) as (gateway, client):
        for number in range(5):
            await gateway.remuda.nodes.add(f"http://127.0.0.1:{number + 1}", name=f"n{number}", is_drained=True)
        page = (await client.get("/api/proxy/nodes", params={"limit": 2})).json()
        names = [each["name"] for each in page["results"]]
        while page["next"]:
            page = (await client.get(page["next"])).json()
            names += [each["name"] for each in page["results"]]
        assert names == [f"n{number}" for number in range(5)]
        assert "offset=2" in page["previous"]


async def test_how_the_pool_stands(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as one,
        FakeUpstream(models=("other",)) as two,
        herd(tmp_path, one, two) as (gateway, client),
        RawClient(gateway.port) as busy,
    ):
        assert (await client.get("/api/proxy")).text == "Ollama is running"
        one.gate.hold()
        busy.say(post(ASK))
        await one.gate.reached()
        state = (await client.get("/api/proxy/state")).json()
        assert list(state) == ["active", "standby", "node_id_map", "latencies", "active_counts", "models"]
        assert state["active"] == [one.url, two.url]
        assert state["node_id_map"] == {"-1": one.url, "-2": two.url}
        assert state["active_counts"] == {one.url: 1, two.url: 0}
        assert state["models"] == {one.url: ["fake"], two.url: ["other"]}
        assert set(state["latencies"]) == {one.url, two.url}
        busiest, idle = (await client.get("/api/proxy/active-requests")).json()["nodes"]
        assert (busiest["name"], busiest["active_requests"], idle["active_requests"]) == ("fixed0", 1, 0)
        alone = (await client.get("/api/proxy/active-requests", params={"node_id": -2})).json()
        assert (alone["total_active_requests"], [each["id"] for each in alone["nodes"]]) == (0, [-2])
        one.gate.release()
        assert (await busy.answer()).status == 200


async def test_an_address_is_shown_as_it_was_given(tmp_path: Path) -> None:
    async with FakeUpstream(speaks="ollama") as bare, FakeUpstream() as whole, FakeUpstream(speaks="ollama") as added:
        upstreams = [{"url": bare.root, "name": "bare"}, {"url": whole.url, "name": "whole"}]
        async with (
            running_gateway(tmp_path, upstreams=upstreams) as gateway,
            httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client,
        ):
            await client.post("/api/proxy/nodes", json={"name": "added", "url": added.root})
            state = (await client.get("/api/proxy/state")).json()
            asked = (await client.get("/api/proxy/active-requests")).json()["nodes"]
        given = [bare.root, whole.url, added.root]
        assert list(state["node_id_map"].values()) == given
        assert [each["address"] for each in asked] == given


async def test_who_waits_is_shown(tmp_path: Path) -> None:
    async with FakeUpstream() as one:
        upstreams = [{"url": one.url, "name": "one", "slots": 1}]
        async with (
            running_gateway(tmp_path, upstreams=upstreams) as gateway,
            httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client,
            RawClient(gateway.port) as first,
            RawClient(gateway.port) as second,
            RawClient(gateway.port) as third,
        ):
            await gateway.until(lambda: gateway.remuda.fleet.look_up("fake") is not None, "the model is known")
            assert (await client.get("/api/proxy/queue")).json() == {"queues": [], "total_waiting": 0}
            one.gate.hold()
            first.say(post(ASK))
            await one.gate.reached()
            for number, (waiting, word) in enumerate(((second, "low"), (third, "high"))):
                waiting.say(post(ASK, f"X-Remuda-Priority: {word}"))
                await gateway.until(lambda n=number: gateway.remuda.fleet.queued == n + 1, "in line")
            shown = (await client.get("/api/proxy/queue")).json()
            [queue] = shown["queues"]
            assert (shown["total_waiting"], queue["model"], queue["waiting"]) == (2, "fake", 2)
            assert queue["by_priority"] == {"high": 1, "normal": 0, "low": 1, "background": 0}
            assert [(each["position"], each["priority"]) for each in queue["requests"]] == [(1, "high"), (2, "low")]
            assert queue["oldest_wait_s"] >= queue["requests"][0]["age_s"] >= 0
            one.gate.release()
            for each in (first, second, third):
                assert (await each.answer()).status == 200
            await gateway.at_rest()


async def test_the_strategy_is_changed_while_requests_run_and_outlives_the_process(tmp_path: Path) -> None:
    async with FakeUpstream() as one, FakeUpstream() as two:
        async with herd(tmp_path, one, two) as (gateway, client):
            config = (await client.get("/api/proxy/config")).json()
            assert (config["id"], config["strategy"], config["policies"]) == (1, "least_active", {})
            changed = await client.put("/api/proxy/config", json={"strategy": "round_robin"})
            assert (changed.status_code, changed.json()["strategy"]) == (200, "round_robin")
            for _ in range(4):
                async with RawClient(gateway.port) as asking:
                    asking.say(post(ASK))
                    assert (await asking.answer()).status == 200
            assert (len(one.seen), len(two.seen)) == (2, 2)
            changed = await client.patch("/api/proxy/config", json={"policies": {"fake": "weighted"}})
            assert changed.json()["policies"] == {"fake": "weighted"}
            for sent in ({"strategy": "fastest"}, {"policies": {"fake": "fastest"}}):
                refused = await client.patch("/api/proxy/config", json=sent)
                assert (refused.status_code, list(refused.json())) == (400, ["strategy"])
            assert (await client.put("/api/proxy/config", json={})).status_code == 400
        async with herd(tmp_path, one, two) as (_, client):
            config = (await client.get("/api/proxy/config")).json()
            assert (config["strategy"], config["policies"]) == ("round_robin", {"fake": "weighted"})


async def test_a_key_is_needed_for_all_of_it_once_there_are_keys(tmp_path: Path) -> None:
    keys = {"api_keys": ["a-key-of-my-own-choice"]}
    async with FakeUpstream() as one, herd(tmp_path, one, auth=keys) as (_, client):
        for path in ("state", "active-requests", "queue", "config", "nodes"):
            answer = await client.get(f"/api/proxy/{path}")
            assert answer.status_code == 401, path
            assert list(answer.json()) == (["detail"] if path in ("config", "nodes") else ["error"])
        headers = {"Authorization": "Bearer a-key-of-my-own-choice"}
        assert (await client.get("/api/proxy/state", headers=headers)).status_code == 200
        assert (await client.get("/api/proxy/nodes", headers=headers)).status_code == 200
        for method, path in (("POST", "nodes"), ("PUT", "config"), ("POST", "pull"), ("DELETE", "nodes/1")):
            answer = await client.request(method, f"/api/proxy/{path}", headers=headers, json={})
            assert answer.status_code == 403, path


async def test_pulls_are_done_and_told_honestly(tmp_path: Path) -> None:
    async with (
        FakeUpstream(speaks="ollama") as one,
        FakeUpstream() as two,
        herd(tmp_path, one, two) as (_, client),
    ):
        answer = await client.post("/api/proxy/pull", json={"model": "llama3"})
        assert answer.status_code == 200
        assert answer.json()["total_nodes"] == 2
        by_node = {each["node_name"]: each for each in answer.json()["results"]}
        assert by_node["fixed0"]["status"] == "success"
        assert by_node["fixed1"]["status"] == "error"
        assert "fetches no models" in by_node["fixed1"]["message"]
        assert [seen.target for seen in one.seen] == ["/api/pull"]
        only = await client.post("/api/proxy/pull", json={"model": "llama3", "node_id": -2})
        assert (only.status_code, only.json()["results"][0]["status"]) == (502, "error")
        streamed = await client.post("/api/proxy/pull", json={"model": "llama3", "node_id": -1, "stream": True})
        lines = [json.loads(line) for line in streamed.text.splitlines()]
        assert lines[0]["progress"]["status"] == "pulling manifest"
        assert lines[-1]["results"][0]["status"] == "success"
        assert (await client.post("/api/proxy/pull", json={"model": " "})).status_code == 400
        assert (await client.post("/api/proxy/pull", json={"model": "x", "node_id": 99})).status_code == 404


async def test_a_pull_that_fails_or_breaks_off_is_no_success(tmp_path: Path) -> None:
    async with FakeUpstream(speaks="ollama") as one, herd(tmp_path, one) as (_, client):
        failing = await client.post("/api/proxy/pull", json={"model": "missing"})
        assert (failing.status_code, failing.json()["results"][0]["message"]) == (
            502,
            "pull model manifest: file does not exist",
        )
