"""Real engines for the herd's measures: a model of random weights, served by programs of their own."""

import contextlib
import http.client
import json
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import machine
from bench.loads import Unfit
from bench.machine import Command, Program
from bench.targets import AS_INSTALLED, REMUDA

READY_WITHIN_S = 60.0
MODEL = "random"


def model_file(folder: Path) -> Path:
    """A model of some 13 million weights: a prompt of a thousand tokens takes it long enough to be measured."""
    from tests.random_model import write_random_model  # needs the packages that only tests need

    # Plain: a stream of bytes that are no text can be continued by nobody who has seen it as JSON.
    return write_random_model(
        folder / f"{MODEL}.gguf", width=384, layers=8, feed_forward=1024, context=8192, name=MODEL, is_plain=True
    )


@dataclass(slots=True)
class Server:
    """A running program that speaks OpenAI's API."""

    program: Program
    port: int

    @property
    def url(self) -> str:
        """Its base address for OpenAI clients."""
        return f"http://127.0.0.1:{self.port}/v1"


@contextlib.contextmanager
def serving(folder: Path, settings: dict[str, Any], *arguments: str) -> Iterator[Server]:
    """`remuda serve` with these settings, ready."""
    (port,) = machine.free_ports(1)
    home = Path(tempfile.mkdtemp(prefix=f"server-{port}-", dir=folder))  # a port comes again in a long run
    file = home / "remuda.yaml"
    file.write_text(json.dumps(settings))
    command: Command = [REMUDA, "serve", "--config", file, "--port", str(port), "--data", home / "data", *arguments]
    with Program(command, core=None, folder=home, env=AS_INSTALLED) as program:
        await_ready(program, port)
        yield Server(program, port)


@contextlib.contextmanager
def llama(folder: Path, model: Path, *, slots: int, context: int) -> Iterator[Server]:
    """llama.cpp by itself, ready."""
    (port,) = machine.free_ports(1)
    command: Command = [sys.executable, machine.HERE / "llama.py", model, str(port), str(slots), str(context)]
    with Program(command, core=None, folder=folder) as program:
        await_ready(program, port, "/health")
        yield Server(program, port)


@contextlib.contextmanager
def fake(folder: Path, ttft_ms: int) -> Iterator[Server]:
    """A fake server that answers at once, or not before so many milliseconds."""
    (port,) = machine.free_ports(1)
    command: Command = [sys.executable, "-m", "remuda.testing.upstream", "--port", str(port), "--ttft-ms", str(ttft_ms)]
    with Program(command, core=None, folder=folder) as program:
        await_ready(program, port, "/_fake/seen")
        yield Server(program, port)


def await_ready(program: Program, port: int, path: str = "/readyz") -> None:
    """Return once `path` answers 200; raises Unfit where it does not in time."""
    end = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < end:
        if program.ended:
            raise Unfit(f"ended at once: {program.said()}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        time.sleep(0.02)
    raise Unfit(f"not ready within {READY_WITHIN_S:g} s: {program.said()}")


@dataclass(slots=True)
class Streamed:
    """A streamed chat, as its client saw it."""

    replica: str = ""
    arrivals: list[float] = field(default_factory=list)
    """Monotonic time of each event with content."""
    texts: list[str] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    is_done: bool = False
    fault: str = ""


class Chat:
    """One streamed chat: opened by making it, read by `read`."""

    def __init__(self, port: int, body: dict[str, Any]) -> None:
        self.started = time.monotonic()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        asked = json.dumps(body | {"stream": True, "stream_options": {"include_usage": True}})
        self._connection.request("POST", "/v1/chat/completions", asked, {"Content-Type": "application/json"})

    def read(self) -> Iterator[Streamed]:
        """What has been seen so far, after each event with content, and once more at the end."""
        seen = Streamed()
        with contextlib.closing(self._connection):
            response = self._connection.getresponse()
            if response.status != 200:
                raise Unfit(f"{response.status}: {response.read()[:300]!r}")
            seen.replica = response.headers.get("x-remuda-replica", "")
            for line in response:
                if not line.startswith(b"data: "):
                    continue
                if line.startswith(b"data: [DONE]"):
                    seen.is_done = True
                    break
                event = json.loads(line[6:])
                if "error" in event:
                    seen.fault = str(event["error"].get("message"))
                seen.usage = event.get("usage") or seen.usage
                text = "".join(choice["delta"].get("content") or "" for choice in event.get("choices", ()))
                if text:
                    seen.arrivals.append(time.monotonic())
                    seen.texts.append(text)
                    yield seen
        yield seen

    def whole(self) -> Streamed:
        """What has been seen by the end."""
        return deque(self.read(), maxlen=1)[0]
