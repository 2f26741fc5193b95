"""A plain HTTP client for an engine, for tests: one connection per request, as the gateway must have it."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from remuda.core.address import Address
from remuda.core.ask import Ask, Operation
from remuda.core.faults import Fault
from remuda.engines.children.process import Child
from remuda.engines.protocol import Engine, Outgoing


def ask_of(operation: Operation, body: dict[str, Any] | bytes, **fields: Any) -> Ask:
    """An ask as the gateway makes it of a request body."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    known: dict[str, Any] = {"model": "m", "is_streamed": False, "wants_usage": False, "choices": 1, **fields}
    return Ask(operation=operation, body=raw, **known)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The data of all events but `[DONE]`."""
        lines = [line.removeprefix(b"data: ") for line in self.body.split(b"\n") if line.startswith(b"data: ")]
        return [json.loads(line) for line in lines if line != b"[DONE]"]


def session_to(address: Address) -> aiohttp.ClientSession:
    connector: aiohttp.BaseConnector = (
        aiohttp.UnixConnector(address.socket_path, force_close=True)
        if address.socket_path
        else aiohttp.TCPConnector(force_close=True)
    )
    return aiohttp.ClientSession(base_url=f"http://{address.host}:{address.port}", connector=connector)


async def send(child: Child, outgoing: Outgoing) -> Answer:
    async with (
        session_to(child.address) as session,
        session.post(outgoing.path, data=outgoing.body, headers={"Content-Type": "application/json"}) as response,
    ):
        return Answer(response.status, await response.read())


async def get(child: Child, path: str) -> Any:
    async with session_to(child.address) as session, session.get(path) as response:
        return await response.json()


async def fault_from(engine: Engine, child: Child, ask: Ask) -> Fault:
    """The fault that the engine's answer to `ask` stands for; the test fails where it is no error."""
    answer = await send(child, engine.outgoing(ask, ask.model))
    assert answer.status >= 400, answer.body[:500]
    return engine.fault_of(answer.status, answer.body, ask.operation)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not reaped yet does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc").exists()
    return state != "Z"


async def until(condition: Callable[[], bool | Awaitable[bool]], deadline_s: float = 60) -> None:
    """Return once `condition` holds. The deadline only ends a test that would hang."""
    async with asyncio.timeout(deadline_s):
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(0.01)
