"""Two models compared by a running gateway."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from remuda.core.keys import Key, Scope, digest_of
from remuda.engines import tiny
from remuda.store.keys import create_key
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.postgres import private_postgres
from tests.fixtures.process import RemudaProcess, fake_upstream, remuda_serve, until

PATH = "/api/model-comparisons"
ASKED = {
    "comparison_name": "Quick against slow",
    "model_a": "quick",
    "model_b": "slow",
    "test_prompt": "Explain quantum computing",
}
DOCUMENTED = {
    "id", "comparison_name", "model_a", "model_b", "test_prompt", "result_a_latency", "result_b_latency",
    "result_a_tokens", "result_b_tokens", "result_a_cost", "result_b_cost", "winner", "created_at",
}  # fmt: skip


class Client:
    """Somebody who compares."""

    def __init__(self, http: aiohttp.ClientSession, gateway: RunningGateway) -> None:
        self._http = http
        self._gateway = gateway

    async def send(self, method: str, path: str = PATH, **values: Any) -> tuple[int, Any]:
        async with self._http.request(method, path, **values) as answer:
            return answer.status, json.loads(await answer.read() or b"null")

    async def compare(self, **values: Any) -> dict[str, Any]:
        """What comes of a comparison, when it is over."""
        status, made = await self.send("POST", json=ASKED | values)
        assert (status, made["state"]) == (202, "queued"), made
        return await self.reached(made["id"], "done", "failed")

    async def reached(self, id_: int, *states: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        async def is_there() -> bool:
            status, told = await self.send("GET", f"{PATH}/{id_}")
            assert status == 200
            found.update(told)
            return found["state"] in states

        await self._gateway.until(is_there, f"it is {' or '.join(states)}")
        return found


@pytest.fixture
async def quick() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(models=("quick",)) as fake:
        yield fake


@pytest.fixture
async def slow() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(models=("slow",), ttft_s=0.2, token_delay_s=0.01) as fake:
        yield fake


@pytest.fixture
async def gateway(quick: FakeUpstream, slow: FakeUpstream, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with gateway_before(quick, slow, tmp_path) as running:
        yield running


class gateway_before:
    """A gateway in front of the two, which it knows."""

    def __init__(self, quick: FakeUpstream, slow: FakeUpstream, data: Path, **values: Any) -> None:
        upstreams = [{"url": fake.url, "name": name, "slots": 2} for name, fake in (("q", quick), ("s", slow))]
        self._running = running_gateway(data, upstreams=upstreams, **values)

    async def __aenter__(self) -> RunningGateway:
        gateway = await self._running.__aenter__()
        fleet = gateway.remuda.fleet
        await gateway.until(lambda: fleet.look_up("quick") and fleet.look_up("slow"), "they are known")
        return gateway

    async def __aexit__(self, *ended: Any) -> None:
        await self._running.__aexit__(*ended)


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(gateway.url) as http:
        yield Client(http, gateway)


async def test_the_quicker_one_wins(client: Client, slow: FakeUpstream, quick: FakeUpstream) -> None:
    slow.behave(ttft_s=0.65)  # more than is asked for: the loop's timers have whole milliseconds, and may be early
    status, made = await client.send("POST", data=ASKED)
    assert (status, made["state"], made["winner"]) == (202, "queued", None)
    assert made["progress"] == {"done": 0, "total": 2, "position": None}
    assert set(made) > DOCUMENTED
    found = await client.reached(made["id"], "done", "failed")
    assert (found["state"], found["winner"], found["error"]) == ("done", "model_a", None), found
    assert found["progress"]["done"] == 2
    assert found["result_a_latency"] < found["result_b_latency"]
    assert found["result_a_tokens"] == found["result_b_tokens"] == 8
    assert found["side_b"]["time_to_first_token"] >= 600
    assert found["answer_a"]
    assert found["answer_b"]
    assert [reason.partition(":")[0] for reason in found["reasons"]] == ["latency", "tokens per second", "cost"]
    assert [run["state"] for run in found["runs"]] == ["done", "done"]
    # Each run is in the journal, once, and says so.
    for run in found["runs"]:
        status, entry = await client.send("GET", f"/api/logs/{run['log_id']}")
        assert (status, entry["model_name"], entry["completion_tokens"]) == (200, run["model"], 8)
    status, listed = await client.send("GET")
    assert listed == [{name: value for name, value in found.items() if name != "runs"}]


async def test_repeats_and_prompts(client: Client, quick: FakeUpstream) -> None:
    found = await client.compare(
        test_prompt=None, prompts=["one", [{"role": "user", "content": "two"}]], repeats=3, seed=7, max_tokens=4
    )
    assert found["parameters"] == {"max_tokens": 4, "seed": 7}
    assert found["progress"] == {"done": 12, "total": 12, "position": None}
    # All of one model before the other.
    assert [run["model"] for run in found["runs"]] == ["quick"] * 6 + ["slow"] * 6
    assert found["wins"] == {"model_a": 2, "model_b": 0, "tie": 0}
    assert found["side_a"]["answered"] == 6
    assert found["side_a"]["total_tokens"] == sum(
        run["prompt_tokens"] + run["completion_tokens"] for run in found["runs"][:6]
    )
    bodies = [json.loads(seen.body) for seen in quick.seen if seen.body]
    assert [(body["seed"], body["max_tokens"], body["messages"][-1]["content"]) for body in bodies] == [
        (7, 4, "one"), (7, 4, "two")
    ] * 3  # fmt: skip


async def test_a_side_that_fails_loses(client: Client, quick: FakeUpstream) -> None:
    quick.behave(fault="error", status=400)
    found = await client.compare()
    assert (found["state"], found["winner"], found["error"]) == ("done", "model_b", None)
    assert found["reasons"] == ["model_a failed in 1 of 1 runs"]
    assert (found["result_a_latency"], found["runs"][0]["state"]) == (None, "failed")
    assert found["runs"][0]["error"]


async def test_where_both_fail_nobody_wins(client: Client, quick: FakeUpstream, slow: FakeUpstream) -> None:
    quick.behave(fault="error", status=400)
    slow.behave(fault="error", status=400)
    found = await client.compare()
    assert (found["state"], found["winner"]) == ("failed", None)
    assert found["error"].startswith("neither model answered: ")


async def test_servers_that_are_gone(quick: FakeUpstream, slow: FakeUpstream, tmp_path: Path) -> None:
    """One of the two, then both."""
    hasty = {"routing": {"queue_timeout_s": 0.5}, "tasks": {"max_attempts": 1}}
    async with gateway_before(quick, slow, tmp_path, **hasty) as gateway, aiohttp.ClientSession(gateway.url) as http:
        client = Client(http, gateway)
        await quick.aclose()
        found = await client.compare()
        assert (found["state"], found["winner"], found["answer_a"]) == ("done", "model_b", None), found
        await slow.aclose()
        found = await client.compare()
        assert (found["state"], found["winner"]) == ("failed", None)
        assert found["error"].startswith("neither model answered: ")
        assert [run["state"] for run in found["runs"]] == ["failed", "failed"]


async def test_the_cheaper_one_of_two_alike(client: Client, gateway: RunningGateway, slow: FakeUpstream) -> None:
    slow.behave(ttft_s=0.0, token_delay_s=0.0)
    for model, price in (("quick", 0.5), ("slow", 0.25)):
        setting = {"model_name": model, "cost_per_1k_output_tokens": price}
        assert (await client.send("POST", "/api/cost-settings", data=setting))[0] == 200
    found = await client.compare()
    assert (found["result_a_cost"], found["result_b_cost"]) == (0.004, 0.002)
    assert found["reasons"][-1] == "cost: model_b is better (0.004 against 0.002)"
    assert sorted(record.cost_nano for record in await gateway.records()) == [2_000_000, 4_000_000]


async def test_a_real_model(tmp_path: Path) -> None:
    """Against itself by another name: both answer, with the same words where the seed is the same."""
    aliases = {"models": {"aliases": {"other": tiny.CHAT_NAME}}}
    async with running_gateway(tmp_path, **aliases) as gateway, aiohttp.ClientSession(gateway.url) as http:
        asked = {"model_a": tiny.CHAT_NAME, "model_b": "other", "max_tokens": 16, "temperature": 0, "seed": 7}
        found = await Client(http, gateway).compare(**asked)
        assert (found["state"], found["error"]) == ("done", None)
        assert found["answer_a"] == found["answer_b"]
        assert 0 < found["result_a_tokens"] <= 16
        assert all(run["latency"] >= run["time_to_first_token"] > 0 for run in found["runs"])


async def test_what_is_under_way_is_told_and_can_be_called_off(client: Client, quick: FakeUpstream) -> None:
    quick.behave(fault="hang")
    _, made = await client.send("POST", json=ASKED)
    found = await client.reached(made["id"], "running")
    assert found["progress"]["done"] == 0
    await quick.saw()
    one = f"{PATH}/{made['id']}"
    assert await client.send("DELETE", one) == (200, {"message": "Comparison deleted"})
    assert await client.send("GET", one) == (404, {"detail": "Comparison not found"})
    assert await client.send("DELETE", one) == (404, {"detail": "Comparison not found"})
    await quick.aborted_count()


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"model_a": "nobody"}, 404, "there is no model called 'nobody' here"),
    ({"model_b": None}, 400, "the request is missing the required parameter 'model_b'"),
    ({"comparison_name": " "}, 400, "'comparison_name' must be some text"),
    ({"test_prompt": None}, 400, "one of test_prompt, prompts, file_id, replay says what is asked, not none"),
    ({"prompts": ["more"]}, 400, "says what is asked, not test_prompt and prompts"),
    ({"test_prompt": "x" * 32_001}, 400, "a prompt has 1 to 32000 characters"),
    ({"test_prompt": None, "prompts": ["x"] * 201}, 400, "a comparison has 1 to 200 prompts"),
    ({"test_prompt": None, "prompts": [7]}, 400, "each of 'prompts' is a text, or a list of messages"),
    ({"test_prompt": None, "prompts": "x"}, 400, "'prompts' must be a list"),
    ({"repeats": 0}, 400, "'repeats' must be a whole number"),
    ({"repeats": 51}, 400, "repeats is a whole number from 1 to 50"),
    ({"test_prompt": None, "prompts": ["x"] * 101, "repeats": 10}, 400, "prompts times repeats is 1000 at most"),
    ({"temperature": 3}, 400, "'temperature' must be a number"),
    ({"seed": "many"}, 400, "'seed' must be a whole number"),
    ({"test_prompt": None, "file_id": "file-none"}, 404, "file"),
    ({"test_prompt": None, "replay": 3}, 403, "insight.replay allows it"),
]


async def test_what_cannot_be_compared(client: Client) -> None:
    for values, status, said in REFUSED:
        answer = await client.send("POST", json=ASKED | values)
        assert answer[0] == status, (values, answer)
        assert said in answer[1]["detail"], values


async def test_ids_that_are_none_and_pages(client: Client) -> None:
    for id_ in ("7", "x", "9" * 30):
        assert await client.send("GET", f"{PATH}/{id_}") == (404, {"detail": "Comparison not found"})
    first, second = [await client.compare(comparison_name=name) for name in ("first", "second")]
    _, page = await client.send("GET", f"{PATH}?limit=1")
    assert [each["id"] for each in page] == [second["id"]]
    _, page = await client.send("GET", f"{PATH}?before={second['id']}")
    assert [each["id"] for each in page] == [first["id"]]
    for query in ("limit=0", "limit=x", "before=-1"):
        assert (await client.send("GET", f"{PATH}?{query}"))[0] == 400


async def test_a_file_of_prompts(client: Client, slow: FakeUpstream) -> None:
    slow.behave(ttft_s=0.0, token_delay_s=0.0)
    lines = [{"prompt": "one"}, {"messages": [{"role": "user", "content": "two"}]}]
    form = aiohttp.FormData({"purpose": "batch"})
    form.add_field("file", b"".join(json.dumps(line).encode() + b"\n" for line in lines), filename="in.jsonl")
    status, file = await client.send("POST", "/v1/files", data=form)
    assert status == 200
    found = await client.compare(test_prompt=None, file_id=file["id"])
    assert (found["source"], found["prompts"], found["test_prompt"]) == ("file", 2, "one")
    assert found["state"] == "done"


async def test_traffic_is_replayed_where_that_is_allowed(
    quick: FakeUpstream, slow: FakeUpstream, tmp_path: Path
) -> None:
    asked = gateway_before(quick, slow, tmp_path, journal={"content": "full"}, insight={"replay": True})
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(asked)
        client = Client(await stack.enter_async_context(aiohttp.ClientSession(gateway.url)), gateway)
        for number in range(3):
            body = {"model": "slow", "messages": [{"role": "user", "content": f"number {number}"}]}
            assert (await client.send("POST", "/v1/chat/completions", json=body))[0] == 200
        await gateway.records()
        found = await client.compare(test_prompt=None, replay=2, replay_model="slow")
        assert (found["source"], found["prompts"], found["state"]) == ("replay", 2, "done")
        asked_again = [seen.json()["messages"][-1]["content"] for seen in quick.seen]
        assert asked_again == ["number 1", "number 2"]
        # What a comparison asked is no traffic.
        status, refused = await client.send("POST", json=ASKED | {"test_prompt": None, "replay": 2})
        assert (status, "no prompt to 'quick' is stored whole" in refused["detail"]) == (400, True)


async def test_whose_comparisons_are_told(quick: FakeUpstream, slow: FakeUpstream, tmp_path: Path) -> None:
    async with gateway_before(quick, slow, tmp_path) as gateway, AsyncExitStack() as stack:
        headers = [
            await key_of(gateway, word, *scopes)
            for word, *scopes in (("m", Scope.MANAGE, Scope.READ, Scope.INFERENCE), ("r", Scope.READ, Scope.INFERENCE))
        ]
        manager, reader = [
            Client(await stack.enter_async_context(aiohttp.ClientSession(gateway.url, headers=each)), gateway)
            for each in headers
        ]
        found = await manager.compare()
        one = f"{PATH}/{found['id']}"
        assert [each["id"] for each in (await manager.send("GET"))[1]] == [found["id"]]
        assert await reader.send("GET") == (200, [])
        assert await reader.send("GET", one) == (404, {"detail": "Comparison not found"})
        assert (await reader.send("POST", json=ASKED))[0] == 403
        assert (await reader.send("DELETE", one))[0] == 403


async def key_of(gateway: RunningGateway, word: str, *scopes: Scope) -> dict[str, str]:
    """The header of a key with these scopes."""
    secret = "rmd_" + word * 40
    key = Key(f"key_{word}", word, digest_of(secret.encode()), secret[:10], frozenset(scopes), created_at=0.0)
    await create_key(gateway.remuda.store, key)
    await gateway.remuda.credentials.renew()
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[tuple[RemudaProcess, httpx.Client, int, FakeUpstream]]:
    """A gateway that has been killed in the middle of a comparison, and was started again."""
    with fake_upstream(models=("quick", "slow"), token_delay_s=0.02) as fake:
        offers = ("--upstream", fake.url)
        values = {"REMUDA_TASKS__LEASE_S": "2"}
        with remuda_serve(tmp_path, *offers, **values) as first, httpx.Client(timeout=60, trust_env=False) as http:
            asked = ASKED | {"repeats": 4}
            until(lambda: http.post(first.url + PATH, json=asked).status_code == 202, "it is taken in")
            one = f"{PATH}/1"
            until(lambda: http.get(first.url + one).json()["progress"]["done"] >= 2, "some of it is done")
            first.signal(signal.SIGKILL)
            first.ended()
            with remuda_serve(tmp_path, *offers, **values) as second:
                yield second, http, 1, fake


def test_a_gateway_that_is_killed_goes_on_and_counts_nothing_twice(
    killed: tuple[RemudaProcess, httpx.Client, int, FakeUpstream],
) -> None:
    gateway, http, id_, _ = killed
    found = until(
        lambda: (answer := http.get(f"{gateway.url}{PATH}/{id_}").json())["state"] == "done" and answer, "it is over"
    )
    assert found["progress"]["done"] == found["progress"]["total"] == 8
    assert [run["state"] for run in found["runs"]] == ["done"] * 8
    assert found["side_a"]["answered"] == found["side_b"]["answered"] == 4
    assert max(Counter(run["task_id"] for run in found["runs"]).values()) == 1
    assert len({run["log_id"] for run in found["runs"]}) == 8
    assert found["side_a"]["total_tokens"] == sum(
        run["prompt_tokens"] + run["completion_tokens"] for run in found["runs"][:4]
    )


@pytest.mark.postgres
async def test_two_gateways_on_one_store(quick: FakeUpstream, slow: FakeUpstream, tmp_path: Path) -> None:
    """What one of them takes in both drive, and each of several comparisons counts each run once."""
    slow.behave(ttft_s=0.0, token_delay_s=0.0)
    with private_postgres() as server:
        url = server.url(server.new_database())
        async with AsyncExitStack() as stack:
            clients = []
            for name in ("one", "two"):
                asked = gateway_before(quick, slow, tmp_path / name, database_url=url)
                gateway = await stack.enter_async_context(asked)
                http = await stack.enter_async_context(aiohttp.ClientSession(gateway.url))
                clients.append(Client(http, gateway))
            found = await asyncio.gather(*(each.compare(repeats=3) for each in clients * 2))
            assert [each["state"] for each in found] == ["done"] * 4
            assert [each["side_a"]["answered"] + each["side_b"]["answered"] for each in found] == [6] * 4
            assert len({run["task_id"] for each in found for run in each["runs"]}) == 24
            assert len({run["log_id"] for each in found for run in each["runs"]}) == 24
    assert len(quick.seen) == len(slow.seen) == 12
