"""The local models that settings ask for, and what starts their engines."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

from remuda.app.exits import CommandError, Exit
from remuda.app.settings import Settings
from remuda.core.clock import Clock
from remuda.engines import tiny
from remuda.engines.files import ModelFileError, offered_models
from remuda.engines.launch import EngineSettings, Launcher, LocalModel
from remuda.engines.llamacpp.process import LlamaServerLauncher, XllamaLauncher

log = logging.getLogger(__name__)


def local_models_of(settings: Settings) -> list[LocalModel]:
    """The files to offer, with the names clients use; raises CommandError where a path offers none."""
    llamacpp = settings.llamacpp
    engine = EngineSettings(
        slots=llamacpp.n_parallel,
        context=llamacpp.n_ctx,
        threads=llamacpp.n_threads,
        gpu_layers=llamacpp.n_gpu_layers,
        batch=llamacpp.n_batch,
    )
    if settings.offers_tiny_models:
        return [
            LocalModel(tiny.CHAT_NAME, tiny.CHAT, replace(engine, embeds=False)),
            LocalModel(tiny.EMBED_NAME, tiny.EMBED, replace(engine, embeds=True)),
        ]
    try:
        offered = offered_models(settings.models.paths, engine)
    except ModelFileError as error:
        raise CommandError(str(error), Exit.ENGINE) from error
    for line in offered.skipped:
        log.warning("%s", line)
    return offered.models


def launcher_of(settings: Settings, clock: Clock) -> Launcher:
    """What starts engines: the built-in llama.cpp, or the user's own `llama-server` where the settings name one.

    Raises CommandError where that one is no program: better at the start than at the first request.
    """
    folder = settings.data_dir / "run"
    prefer_tcp, load_timeout_s = settings.llamacpp.prefer_tcp, settings.models.load_timeout_s
    named = settings.llamacpp.llama_server
    if named is None:
        return XllamaLauncher(folder, clock, prefer_tcp=prefer_tcp, load_timeout_s=load_timeout_s)
    program = shutil.which(named)
    if program is None:
        said = "is not an executable program" if named.exists() else "does not exist"
        raise CommandError(f"llama-server: {named} {said}", Exit.ENGINE)
    return LlamaServerLauncher(
        Path(program).absolute(), folder, clock, prefer_tcp=prefer_tcp, load_timeout_s=load_timeout_s
    )
