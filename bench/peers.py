"""Installs the peers from PyPI, each into an environment of its own under bench/build."""

import subprocess
import sys

from bench import machine
from bench.targets import PEERS, peer_python

VERSIONS = {"vllm-router": "0.1.17", "sglang-router": "0.3.2"}
"""Those that the bars were set against."""
BESIDE = {"procrastinate": "3.10.0"}
"""Those that only some measures are taken beside."""
EXTRAS = {"procrastinate": ("psycopg[binary,pool]==3.3.2",)}


def install() -> list[str]:
    """Installs what is not there yet; returns what went wrong, one line a peer."""
    return [fault for package, version in VERSIONS.items() if (fault := _install(package, version))]


def install_one(package: str) -> str | None:
    """Installs one that other measures are taken beside; what went wrong, or None."""
    return _install(package, BESIDE[package], *EXTRAS.get(package, ()))


def _install(package: str, version: str, *more: str) -> str | None:
    home = PEERS / package
    stamp = home / "installed"
    if stamp.exists() and stamp.read_text() == version:
        return None
    PEERS.mkdir(parents=True, exist_ok=True)
    print(f"installing {package} {version}")
    uv = machine.tool("uv")
    python, wanted = str(peer_python(package)), f"{package}=={version}"
    steps = [
        [sys.executable, "-m", "venv", "--clear", str(home)],
        [python, "-m", "pip", "install", "--quiet", wanted, *more],
    ]
    if uv:
        steps = [
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)],
            [uv, "pip", "install", "--quiet", "--python", python, wanted, *more],
        ]
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{package} could not be installed: {done.stderr.strip()[-300:]}"
    stamp.write_text(version)
    return None
