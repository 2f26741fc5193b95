"""Streams that break off and are continued: two real engines with one model, one of which dies in the middle."""

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from remuda.core.clock import SystemClock
from remuda.engines.launch import EngineSettings, LocalModel
from remuda.engines.llamacpp.process import Child, XllamaLauncher
from remuda.engines.tiny import CHAT
from tests.fixtures.cutter import Cutter
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.raw import RawAnswer, RawClient, post

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine"), pytest.mark.asyncio(loop_scope="module")]

MODEL = "remuda-tiny"
CHATS = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
GREEDY: dict[str, Any] = {
    "model": MODEL,
    "temperature": 0,
    "stream": True,
    "stream_options": {"include_usage": True},
}
COUNT = {**GREEDY, "messages": [{"role": "user", "content": "Count from 3 to 9."}]}
STORY = {**GREEDY, "messages": [{"role": "user", "content": "Tell me a story about a llama."}]}
LONG = {**STORY, "ignore_eos": True, "max_tokens": 700}


class Pair:
    """Two engines with the same model behind one gateway, and the ways to them, which can be cut."""

    def __init__(self, gateway: RunningGateway, cutter: Cutter, children: dict[str, Child]) -> None:
        self.gateway = gateway
        self.cutter = cutter
        self.children = children

    async def ask(self, ask: dict[str, Any], path: str = CHATS) -> RawAnswer:
        async with RawClient(self.gateway.port) as client:
            client.say(post(json.dumps(ask).encode(), path=path))
            return await client.answer()

    async def cut(self, ask: dict[str, Any], *after: int, path: str = CHATS) -> RawAnswer:
        """The answer to `ask` where the engine's stream breaks off after so many bytes of its body, and the stream that
        continues it after so many of its own."""
        self.cutter.cut_after = list(after)
        self.cutter.requests.clear()
        self.cutter.cuts = 0
        answer = await self.ask(ask, path)
        assert self.cutter.cuts == len(after)
        return answer

    def kill(self) -> str:
        """Kill the engine that is answering."""
        model = self.gateway.remuda.fleet.look_up(MODEL)
        assert model is not None
        [name] = [each.id.partition("/")[0] for each in model.replicas if each.slots.in_use]
        os.kill(self.children[name].pid, signal.SIGKILL)
        return name


@asynccontextmanager
async def pair_of_engines(data_dir: Path, **values: Any) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rmd"))
        cutter = await stack.enter_async_context(Cutter())
        model = LocalModel(MODEL, CHAT, EngineSettings(slots=2, context=1024, threads=1))
        children: dict[str, Child] = {}
        upstreams = []
        for name in ("one", "two"):
            launcher = XllamaLauncher(Path(folder) / name, SystemClock(), prefer_tcp=True)
            child = children[name] = await launcher.start(model, lambda progress: None)
            stack.push_async_callback(child.stop)
            url = await cutter.way_to(child.address.host, child.address.port)
            upstreams.append({"url": url, "kind": "llama.cpp", "name": name, "api_key": child.api_key, "slots": 2})
        values = {"health": {"breaker_failures": 0}, **values}
        async with running_gateway(data_dir, upstreams=upstreams, **values) as gateway:

            def are_known() -> bool:
                found = gateway.remuda.fleet.look_up(MODEL)
                return found is not None and len(found.replicas) == len(children)

            await gateway.until(are_known, "both are known")
            yield Pair(gateway, cutter, children)
            await gateway.at_rest()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with pair_of_engines(tmp_path_factory.mktemp("gateway"), routing={"retry_budget_percent": 1000}) as pair:
        yield pair


@pytest_asyncio.fixture(loop_scope="module")
async def pair(running: Pair) -> AsyncIterator[Pair]:
    yield running
    await running.gateway.at_rest()


def said(answer: RawAnswer) -> list[Any]:
    """What the events of a stream say, without what differs from one answer to the next."""
    assert answer.is_whole
    events = answer.events
    assert not [event for event in events if "error" in event], events[-1]
    assert len({event["id"] for event in events if isinstance(event, dict)}) == 1, "one stream, one name"
    told = []
    for event in events:
        if isinstance(event, dict):
            event = {name: value for name, value in event.items() if name not in ("id", "created", "timings")}
            if event.get("usage"):
                del event["usage"]["prompt_tokens_details"]
        told.append(event)
    return told


async def body_of(pair: Pair, ask: dict[str, Any], path: str) -> int:
    """How long the engine's own answer is."""
    answer = await pair.ask(ask, path)
    return len(answer.body)


@pytest.mark.parametrize(
    ("path", "ask"),
    [
        (CHATS, COUNT),
        (CHATS, {**STORY, "stop": ["river"], "max_tokens": 100}),
        (CHATS, {**COUNT, "max_tokens": 9, "stream_options": None}),
        (COMPLETIONS, {**GREEDY, "prompt": "Once upon a time", "max_tokens": 20}),
    ],
    ids=["to its own end", "to a stop word", "to a limit", "text completion"],
)
async def test_wherever_it_is_cut_a_stream_says_the_same(pair: Pair, path: str, ask: dict[str, Any]):
    unbroken = await pair.ask(ask, path)
    assert unbroken.events[-1] == "[DONE]"
    step = len(unbroken.body) // 29
    for after in range(1, len(unbroken.body) - 600, step):
        broken = await pair.cut(ask, after, path=path)
        assert said(broken) == said(unbroken), after


async def test_a_stream_whose_engine_is_killed_says_the_same_as_one_whose_engine_lives(tmp_path: Path):
    async with pair_of_engines(tmp_path) as pair:
        gateway = pair.gateway
        unbroken = await pair.ask(LONG)
        async with RawClient(gateway.port) as client:
            client.say(post(json.dumps(LONG).encode()))
            await client.reader.readuntil(b"\r\n\r\n")
            began = b""
            for _ in range(20):
                began += await client.reader.readuntil(b"\n\n")
            pair.kill()
            rest = await asyncio.wait_for(client.reader.readuntil(b"0\r\n\r\n"), 30)

        events = [line[6:] for line in (began + rest).split(b"\n") if line.startswith(b"data: ")]
        assert events.pop() == b"[DONE]"
        chunks = [json.loads(event) for event in events]
        text = "".join(each["choices"][0]["delta"].get("content") or "" for each in chunks if each["choices"])
        assert text == unbroken.text
        assert chunks[-1]["usage"]["total_tokens"] == unbroken.events[-2]["usage"]["total_tokens"]
        [record, _] = await gateway.records()
        assert (record.attempts, record.fault, record.completion_tokens) == (2, "", 700)
