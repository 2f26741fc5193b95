"""The child process: one transformers model and its server, until the parent is gone.

Started as `python -m remuda.engines.transformers.child <json>`. On standard output come lines as llama.cpp's server
writes them while it loads, and once it serves, the one with its address; on standard error its log.
"""

import asyncio
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from remuda.core.clock import SystemClock
from remuda.core.ids import random_ids
from remuda.engines.children.parent import FAILED, KEY_VARIABLE, LISTENING, die_with_parent, watch
from remuda.engines.transformers.folder import FolderError
from remuda.engines.transformers.server import Server
from remuda.engines.transformers.speaking import Model

KEEP_ALIVE_S = 3600.0
"""Longer than the gateway keeps a connection it does not use: it is the gateway that closes it, never in its face."""
STATE = "cmd_child_to_router:state:"
"""llama.cpp's word."""


def progress_line(part: float) -> bytes:
    """The line about a load of whose weights `part` (0 to 1) is read."""
    payload = {"value": part, "stages": ["weights"], "current": "weights"}
    return f"\n{STATE}{json.dumps({'state': 'loading', 'payload': payload})}\n".encode()


async def serve(model: Model, socket: str | None, api_key: str | None, tell: Callable[[str], None]) -> None:
    """Serve `model` for ever; `tell` is told the address."""
    server = Server(model, random_ids(), SystemClock().wall, api_key, on_broken=_end)
    # Cancelling handlers is what tells of a client that has left.
    runner = web.AppRunner(
        server.application(), access_log=None, handler_cancellation=True, keepalive_timeout=KEEP_ALIVE_S
    )
    await runner.setup()
    if socket is not None:
        await web.UnixSite(runner, socket).start()
        tell(f"unix://{socket}")
    else:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        tell(f"http://{host}:{port}")
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def load(config: Mapping[str, Any], report: Callable[[float], None]) -> Model:
    """The model that `config` names. Raises Unloadable, FolderError, and whatever transformers raises."""
    from remuda.engines.transformers.model import TorchModel, fetched

    folder = fetched(config["hub_name"]) if config["hub_name"] else Path(config["folder"])
    return TorchModel(config, folder, report)


def main() -> None:
    """Load the model, tell where it is served, and serve it until the parent ends."""
    config = json.loads(sys.argv[1])
    die_with_parent(config["parent"])
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    # Libraries may print whatever they like: our own lines go by a copy made before.
    report = os.dup(1)
    os.dup2(2, 1)
    threading.Thread(target=_end_with, args=(config["parent"],), daemon=True).start()
    from remuda.engines.transformers.model import Unloadable

    try:
        model = load(config, lambda part: void(os.write(report, progress_line(part))))
    except (Unloadable, FolderError) as error:
        _refuse(str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent gets it as a reason and this process ends
        _refuse(f"{type(error).__name__}: {error}")
    asyncio.run(
        serve(
            model,
            config["socket"],
            os.environ.pop(KEY_VARIABLE, None),
            lambda address: void(os.write(report, f"\n{LISTENING}{address}\n".encode())),
        )
    )


def void(_: object) -> None:
    """Nothing."""


def _refuse(reason: str) -> Any:
    sys.stderr.write(f"\n{FAILED}{' '.join(reason.split())}\n")
    sys.stderr.flush()
    os._exit(3)


def _end() -> None:
    """A GPU that has failed once answers nothing more in this process: the gateway starts another."""
    sys.stderr.flush()
    os._exit(4)


def _end_with(parent: int) -> None:
    watch(parent)
    os._exit(0)


if __name__ == "__main__":
    main()
