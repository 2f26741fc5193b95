"""Starts llama.cpp as one child process per model."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from remuda.core.address import Address
from remuda.core.clock import Clock
from remuda.engines.children.parent import KEY_VARIABLE
from remuda.engines.children.process import (
    LOAD_S,
    STOP_S,
    ChildLauncher,
    Command,
    Listening,
    cores,
    environment_of_child,
)
from remuda.engines.files import ModelFileError, check_model_file, files_of, read_header, stamp_of
from remuda.engines.launch import LoadFailed, LocalModel, Stamp
from remuda.engines.llamacpp import child, guard
from remuda.engines.llamacpp.plan import Plan, plan_for


class _LlamaCppLauncher(ChildLauncher):
    """What both ways to start llama.cpp share: what is asked of a model's file."""

    mark = ""

    async def stamp(self, model: LocalModel) -> Stamp:
        """What `model`'s file looks like now."""
        return await asyncio.to_thread(stamp_of, model.path)

    async def check(self, model: LocalModel) -> None:
        """Raise LoadFailed where no engine could load `model`'s file."""
        try:
            await asyncio.to_thread(check_model_file, model.path)
        except ModelFileError as error:
            raise _said_of(model, error) from None

    async def _command(self, model: LocalModel, listening: Listening) -> Command:
        try:
            header = await asyncio.to_thread(read_header, model.path)
        except ModelFileError as error:
            raise _said_of(model, error) from None
        return self._command_for(model, plan_for(model.settings, header), listening)

    def _command_for(self, model: LocalModel, plan: Plan, listening: Listening) -> Command:
        raise NotImplementedError


class XllamaLauncher(_LlamaCppLauncher):
    """Starts the engine that is installed with Remuda, `xllamacpp`."""

    def _command_for(self, model: LocalModel, plan: Plan, listening: Listening) -> Command:
        settings = model.settings
        config = {
            "parent": os.getpid(),
            "model": str(model.path),
            "name": model.name,
            "socket": str(listening.socket_path) if listening.socket_path else None,
            "pooling": plan.pooling,
            "batch": plan.batch,
            "slots": plan.slots,
            "context": plan.context,
            "threads": settings.threads or cores(),
            "gpu_layers": -1 if settings.gpu_layers is None else settings.gpu_layers,
            "prompt_cache_mib": settings.prompt_cache_mib,
        }
        environment = environment_of_child()
        if listening.api_key:
            environment[KEY_VARIABLE] = listening.api_key
        # -P: a file in the working directory must not stand in for a module of ours.
        arguments = [sys.executable, "-P", "-m", child.__name__, json.dumps(config)]
        return Command(arguments, environment, address=None)


class LlamaServerLauncher(_LlamaCppLauncher):
    """Starts the user's own `llama-server` (one built for their GPU, say) instead of the engine that came with Remuda.

    Only options that every `llama-server` since June 2025 knows are used; `options` are the user's own, put last. A
    program that does not report how its load goes is asked for its health instead.
    """

    def __init__(
        self,
        program: Path,
        run_folder: Path,
        clock: Clock,
        *,
        prefer_tcp: bool = False,
        load_timeout_s: float = LOAD_S,
        stop_s: float = STOP_S,
        options: Sequence[str] = (),
    ) -> None:
        super().__init__(run_folder, clock, prefer_tcp=prefer_tcp, load_timeout_s=load_timeout_s, stop_s=stop_s)
        self._program = program
        self._options = options

    def _command_for(self, model: LocalModel, plan: Plan, listening: Listening) -> Command:
        settings = model.settings
        if listening.socket_path is None:
            address = Address(host="127.0.0.1", port=_free_port())
        else:
            address = Address(host="localhost", port=80, socket_path=str(listening.socket_path))
        words = {
            "--model": model.path,
            "--alias": model.name,
            "--host": listening.socket_path or address.host,
            "--port": address.port,
            "--parallel": plan.slots,
            "--ctx-size": plan.slots * plan.context,
            "--batch-size": plan.batch,
            "--ubatch-size": plan.batch,
            "--threads": settings.threads or cores(),
            "--n-gpu-layers": settings.gpu_layers,
            "--pooling": None if plan.pooling is None else plan.pooling.lower(),
            "--chat-template-kwargs": '{"enable_thinking":false}',
        }
        arguments = [text for option, value in words.items() if value is not None for text in (option, str(value))]
        flags = ["--jinja", "--slots", "--metrics", "--offline"]
        if plan.pooling is not None:
            flags.append("--reranking" if plan.pooling == "RANK" else "--embeddings")
        environment = {**environment_of_child(), "LLAMA_SERVER_ROUTER_PORT": "1"}
        if plan.pooling is not None:
            # As in our own child. Not an option: one that a `llama-server` does not know would end it.
            environment["LLAMA_ARG_KV_UNIFIED"] = "1"
        if listening.api_key:
            environment["LLAMA_API_KEY"] = listening.api_key
        start = [str(self._program), *arguments, *flags, *self._options]
        if sys.platform != "win32":
            start = [sys.executable, "-P", "-m", guard.__name__, str(os.getpid()), *start]
        return Command(start, environment, address)


def _said_of(model: LocalModel, error: ModelFileError) -> LoadFailed:
    said = str(error)
    for file in files_of(model.path):
        said = said.replace(str(file), file.name)
    return LoadFailed(said)


def _free_port() -> int:
    """A loopback port that is free now; another program may take it first, then the load fails and is tried again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
