"""What is measured: how each target is started, and how one speaks to it. To add one, add an entry to `TARGETS`."""

import argparse
import string
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench import machine
from bench.machine import Command

KEY = "sk-test-key-1"
PEERS = machine.BUILD / ".peers"
REMUDA = Path(sys.prefix) / "bin" / "remuda"
COMPILED = machine.BUILD / "compiled"
"""Where Remuda lies as its wheels have it: with the request's way compiled."""
AS_INSTALLED = {"PYTHONPATH": str(COMPILED)}
AS_SOURCE = {"PYTHONPATH": str(machine.HERE.parent / "src")}
"""Environments in which one or the other runs."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a target is to run: what the run hands to it."""

    port: int
    spare_port: int
    """For a target that cannot do without a second."""
    upstreams: tuple[int, ...]
    """The mock's ports: two, and more where a whole herd is wanted."""
    folder: Path
    """Its own, empty at start."""

    @property
    def urls(self) -> list[str]:
        """The base addresses of the mock's first two ports, without a path."""
        return [f"http://127.0.0.1:{port}" for port in self.upstreams[:2]]


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that can stand between load and mock."""

    name: str
    command: Callable[[Place], Command] | None
    """How it is started; None for nothing at all."""
    missing: Callable[[], str | None] = lambda: None
    """Why it cannot be measured here, or None."""
    env: dict[str, str] = field(default_factory=dict)
    model: str = "mock"
    path: str = "/v1/chat/completions"
    ready_within_s: float = 30.0
    headers: tuple[str, ...] = (f"Authorization: Bearer {KEY}",)


def _nginx(place: Place) -> Command:
    template = string.Template((machine.HERE / "conf" / "nginx.conf").read_text())
    ports = {"port": place.port, "upstream1": place.upstreams[0], "upstream2": place.upstreams[1]}
    conf = place.folder / "nginx.conf"
    conf.write_text(template.substitute(ports))
    return [machine.tool("nginx") or "nginx", "-c", conf, "-p", place.folder]


def _remuda(place: Place) -> Command:
    upstreams = [word for url in place.urls for word in ("--upstream", f"{url}/v1")]
    where: Command = ["--host", "127.0.0.1", "--port", str(place.port), "--data", place.folder / "data"]
    return [REMUDA, "serve", *where, *upstreams]


def _router(package: str, module: str, *more: str) -> Callable[[Place], Command]:
    """vllm-router and sglang-router share their ancestry and their command line."""

    def command(place: Place) -> Command:
        where = ["--host", "127.0.0.1", "--port", str(place.port), "--worker-urls", *place.urls]
        metrics = ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(place.spare_port)]
        plain = ["--policy", "power_of_two", "--log-level", "error"]
        return [peer_python(package), "-m", f"{module}.launch_router", *where, *metrics, *plain, *more]

    return command


def peer_python(package: str) -> Path:
    """The interpreter of the environment that holds a peer."""
    return PEERS / package / "bin" / "python"


def _unless(there: Callable[[], bool], otherwise: str) -> Callable[[], str | None]:
    return lambda: None if there() else otherwise


def _peer(package: str) -> Callable[[], str | None]:
    return _unless((PEERS / package / "installed").exists, f"{package} is not installed (make bench-peers)")


def _compiled() -> str | None:
    """Has Remuda compiled where that is to be done."""
    if not REMUDA.exists():
        return NOT_INSTALLED
    try:
        machine.compile_into(COMPILED)
    except machine.Missing as gap:
        return str(gap)
    return None


NOT_INSTALLED = "remuda is not installed beside this Python"

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("direct", None),
        Target("nginx", _nginx, _unless(lambda: machine.tool("nginx") is not None, machine.what_to_install("nginx"))),
        Target("remuda", _remuda, _compiled, {"API_KEYS": KEY, **AS_INSTALLED}),
        Target("remuda-source", _remuda, _unless(REMUDA.exists, NOT_INSTALLED), {"API_KEYS": KEY, **AS_SOURCE}),
        Target("vllm-router", _router("vllm-router", "vllm_router"), _peer("vllm-router"), ready_within_s=60),
        Target(
            "sglang-router",
            _router("sglang-router", "sglang_router", "--max-concurrent-requests", "100000"),
            _peer("sglang-router"),
            ready_within_s=60,
        ),
    )
}


USUAL = [name for name in TARGETS if name != "remuda-source"]
"""What is measured where nothing else is said."""


def told(command: str) -> Target:
    """A stand-in for Remuda, started by a command line in which {port}, {upstream1}, {upstream2} and {folder} are
    filled in: to try the benchmark itself, or a variant, without installing it."""

    def filled(place: Place) -> Command:
        fields = {"port": place.port, "upstream1": place.upstreams[0], "upstream2": place.upstreams[1]}
        return command.format(folder=place.folder, **fields).split()

    return Target("remuda", filled, env={"API_KEYS": KEY})


def listed(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Reads a command line's comma-separated choice of `known`, in their order."""

    def listed(text: str) -> list[str]:
        names = text.split(",")
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
        return [name for name in known if name in names]

    return listed
