"""A client leaves: whichever inference route it asked, on whatever kind of server, wherever its request stands.

The upstream sees the abort, the slot is given back, the journal says it once, and the metrics count it.
"""

import asyncio
import contextlib
import json
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from remuda.core.record import RequestRecord
from remuda.fleet.replica import ReplicaState
from remuda.store.journal_reading import JournalFilter, journal_page
from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.raw import RawClient, post

pytestmark = pytest.mark.asyncio(loop_scope="module")

KINDS = ("llama.cpp", "ollama", "openai")
"""Kinds of servers; each has one model, which is called like it."""
FAR = "far"
"""The model of a server that never shakes hands."""
PHASES = ("queued", "before the first byte", "mid-answer")
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


@dataclass(frozen=True)
class Asked:
    """How a route is asked."""

    body: dict[str, Any]
    streams: bool = True
    """Whether it answers as a stream, too."""
    kinds: tuple[str, ...] = KINDS
    """What can answer it."""
    phases: tuple[str, ...] = PHASES


INPUT = Asked({"input": "Hello"}, streams=False)
OPENAI = {
    "chat/completions": Asked(HELLO),
    "completions": Asked({"prompt": "Hello"}),
    "responses": Asked({"input": "Hello"}),
    "embeddings": INPUT,
    "rerank": Asked({"query": "Hello", "documents": ["a", "b"]}, streams=False, kinds=("llama.cpp", "openai")),
}
ROUTES = {
    **{f"/v1/{path}": asked for path, asked in OPENAI.items()},
    **{f"/v2/{path}": replace(asked, kinds=("openai",)) for path, asked in OPENAI.items()},
    "/proxy/v1/chat/completions": Asked(HELLO),
    "/api/chat": Asked(HELLO),
    "/api/generate": Asked({"prompt": "Hello"}),
    "/api/embed": INPUT,
    "/api/embeddings": Asked({"prompt": "Hello"}, streams=False),
    "/v1/messages": Asked({**HELLO, "max_tokens": 100}),
    # It takes no slot, so it waits for none.
    "/v1/messages/count_tokens": Asked(HELLO, streams=False, kinds=("llama.cpp",), phases=PHASES[1:]),
}


@dataclass(frozen=True)
class Case:
    """A request, and where it stands when its client leaves."""

    path: str
    kind: str
    phase: str
    is_streamed: bool
    resets: bool = False
    """Its client leaves with a RST, not a FIN."""

    def __str__(self) -> str:
        how = ("stream" if self.is_streamed else "unary") + ("-reset" if self.resets else "")
        return f"{self.path[1:]}-{self.kind}-{self.phase}-{how}"

    @property
    def body(self) -> bytes:
        asked = ROUTES[self.path]
        stream = {"stream": self.is_streamed} if asked.streams else {}
        return json.dumps({**asked.body, **stream, "model": self.kind}).encode()


def cases() -> Iterator[Case]:
    for path, asked in ROUTES.items():
        places = [(kind, phase) for kind in asked.kinds for phase in asked.phases]
        if "openai" in asked.kinds:
            places.append((FAR, "connecting"))
        for is_streamed in (False, True) if asked.streams else (False,):
            for kind, phase in places:
                yield Case(path, kind, phase, is_streamed)
    for kind, phase in (*(("openai", phase) for phase in PHASES), (FAR, "connecting")):
        for is_streamed in (False, True):
            yield Case("/v1/chat/completions", kind, phase, is_streamed, resets=True)


@dataclass
class Silent:
    """A TLS server that never shakes hands: whoever connects keeps connecting."""

    url: str = ""
    connected: int = 0
    gone: set[int] = field(default_factory=set)
    """Which of those that had connected have closed, from 1."""
    held: list[asyncio.StreamWriter] = field(default_factory=list)

    async def hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.held.append(writer)
        number = self.connected = self.connected + 1
        with contextlib.suppress(ConnectionError):
            await reader.read()
        self.gone.add(number)
        writer.close()


@contextlib.asynccontextmanager
async def silent_server() -> AsyncIterator[Silent]:
    silent = Silent()
    server = await asyncio.start_server(silent.hold, "127.0.0.1", 0)
    async with server:
        silent.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        yield silent
        for writer in silent.held:
            writer.transport.abort()


@contextlib.contextmanager
def full_server() -> Iterator[int]:
    """The port of a server whose backlog is full: the system answers nobody who connects."""
    with socket.socket() as listener, socket.socket() as first:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        first.connect(listener.getsockname())
        yield listener.getsockname()[1]


def dialling(port: int) -> set[int]:
    """From which ports this process is connecting to that one, without an answer so far."""
    found = psutil.Process().net_connections("tcp")
    return {each.laddr.port for each in found if each.status == psutil.CONN_SYN_SENT and each.raddr.port == port}


@dataclass
class Place:
    """The one gateway of this module, and all that stands behind it."""

    gateway: RunningGateway
    fakes: dict[str, FakeUpstream]
    silent: Silent

    def counts(self, dialect: str) -> list[float]:
        """Clients gone, upstreams ended for it, and slots that have come to rest."""
        page = self.gateway.remuda.metrics.render().decode()
        series = (
            f'remuda_client_gone_total{{dialect="{dialect}"}}',
            "remuda_upstream_abort_seconds_count",
            "remuda_engine_idle_wait_seconds_count",
        )
        found = [re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE) for name in series]
        return [float(each[1]) if each else 0.0 for each in found]

    async def record(self, request_id: str) -> RequestRecord:
        """The one record of a request."""
        await self.gateway.records()
        page = await journal_page(self.gateway.remuda.store, JournalFilter(request_id=request_id), limit=10)
        [entry] = page.entries
        return entry.record


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with contextlib.AsyncExitStack() as stack:
        silent = await stack.enter_async_context(silent_server())
        fakes = {
            kind: await stack.enter_async_context(FakeUpstream(models=(kind,), speaks=kind, slots=1)) for kind in KINDS
        }
        upstreams = [
            {"url": fake.root if kind == "ollama" else fake.url, "name": kind, "kind": kind, "slots": 1}
            for kind, fake in fakes.items()
        ]
        upstreams.append({"url": silent.url, "name": FAR, "slots": 1, "models": [FAR], "connect_timeout_s": 60})
        health = {"probe_every_s": 3600, "probe_again_s": 3600, "breaker_failures": 0}
        data_dir = tmp_path_factory.mktemp("gateway")
        gateway = await stack.enter_async_context(running_gateway(data_dir, upstreams=upstreams, health=health))
        fleet = gateway.remuda.fleet
        await gateway.until(lambda: all(fleet.look_up(name) for name in (*KINDS, FAR)), "all models are known")
        yield Place(gateway, fakes, silent)


@pytest_asyncio.fixture(loop_scope="module")
async def place(running: Place) -> AsyncIterator[Place]:
    """Everything as new."""
    for fake in running.fakes.values():
        fake.behave()
        fake.seen.clear()
    [far] = running.gateway.remuda.fleet.find(FAR).replicas  # type: ignore[union-attr]
    far.state = ReplicaState.ACTIVE  # its silence may have been noticed already
    yield running
    for fake in running.fakes.values():
        fake.gate.release()
    await running.gateway.at_rest()


async def test_every_inference_route_is_here(running: Place) -> None:
    assert {path.encode() for path in ROUTES} == set(running.gateway.remuda.lane.routes)


@pytest.mark.parametrize("case", list(cases()), ids=str)
async def test_a_client_that_leaves(case: Case, place: Place) -> None:
    gateway, fleet = place.gateway, place.gateway.remuda.fleet
    dialect = gateway.remuda.lane.routes[case.path.encode()].face.name
    request_id = str(case).replace("/", ".").replace(" ", "-")
    before = place.counts(dialect)
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(RawClient(gateway.port))
        first = await stack.enter_async_context(RawClient(gateway.port))
        if case.phase == "queued":
            first.say(post(Case("/v1/chat/completions", case.kind, "", False).body))
        await stands(place, case, lambda: client.say(post(case.body, f"X-Request-ID: {request_id}", path=case.path)))
        if case.is_streamed and case.phase == "mid-answer":
            await client.events(1, ends=b"}")
        client.leave(reset=case.resets)
        if case.phase == "queued":
            await gateway.until(lambda: fleet.queued == 0, "out of the queue")
            assert gateway.slots_in_use == 1
            place.fakes[case.kind].gate.release()
            assert (await first.answer()).status == 200
        elif case.phase == "connecting":
            await gateway.until(lambda: place.silent.connected in place.silent.gone, "the connection is closed")
        else:
            await place.fakes[case.kind].aborted_count(1)
            place.fakes[case.kind].gate.release()
        await gateway.at_rest()
    assert sum(len(fake.seen) for fake in place.fakes.values()) == (0 if case.phase == "connecting" else 1)
    record = await place.record(request_id)
    assert (record.dialect, record.status, record.fault) == (dialect, 499, "client_gone")
    assert record.is_streamed is (case.is_streamed and case.phase == "mid-answer")
    assert record.attempts == (0 if case.phase == "queued" else 1)
    assert (record.queue_wait_s > 0) is (case.phase == "queued")
    # llama.cpp is asked to stream in any case, so that what it has made counts.
    counts = record.is_streamed or (case.kind == "llama.cpp" and ROUTES[case.path].streams)
    assert (record.completion_tokens > 0) is (counts and case.phase == "mid-answer")
    if case.phase != "mid-answer":
        assert record.ttft_s is None
    is_sent = case.phase != "queued"
    tells_slots = case.kind == "llama.cpp" and is_sent and "queued" in ROUTES[case.path].phases
    after = place.counts(dialect)
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, is_sent, tells_slots]


async def stands(place: Place, case: Case, ask: Callable[[], None]) -> None:
    """Have the request made, and return when it stands where its client is to leave."""
    gateway, live = place.gateway, place.gateway.remuda.gateway.live
    if case.phase == "connecting":
        connected = place.silent.connected
        ask()
        await gateway.until(lambda: place.silent.connected > connected, "connecting")
        return
    fake = place.fakes[case.kind]
    if case.phase == "mid-answer":
        fake.behave(fault=Fault.STALL, body_bytes=1000)
        ask()
        await gateway.until(lambda: any(each.flow is not None for each in live), "some of it has come")
        return
    fake.gate.hold()
    if case.phase == "queued":
        await fake.gate.reached()
        ask()
        await gateway.until(lambda: gateway.remuda.fleet.queued == 1, "queued")
    else:
        ask()
        await fake.gate.reached()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full backlog looks otherwise")
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_client_that_leaves_while_nobody_takes_the_connection(tmp_path: Path, is_streamed: bool) -> None:
    with full_server() as port:
        upstreams = [{"url": f"http://127.0.0.1:{port}/v1", "name": "full", "models": ["full"]}]
        async with running_gateway(tmp_path, upstreams=upstreams) as gateway, RawClient(gateway.port) as client:
            await gateway.until(lambda: dialling(port), "it is being asked what it offers")
            before = dialling(port)
            client.say(post(Case("/v1/chat/completions", "full", "connecting", is_streamed).body))
            await gateway.until(lambda: dialling(port) - before, "connecting")
            client.leave()
            await gateway.until(lambda: not dialling(port) - before, "the connection is given up")
            await gateway.at_rest()
            [record] = await gateway.records()
            assert (record.status, record.fault, record.attempts) == (499, "client_gone", 1)
