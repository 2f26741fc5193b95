"""The local models that settings ask for, and what starts their engines."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

from remuda.app.exits import CommandError, Exit
from remuda.app.settings import Settings
from remuda.core.clock import Clock
from remuda.engines import tiny
from remuda.engines.files import ModelFileError, add_model, file_model, folder_model, offered_models
from remuda.engines.launch import EngineKind, EngineSettings, Launcher, Launchers, LocalModel
from remuda.engines.llamacpp.process import LlamaServerLauncher, XllamaLauncher
from remuda.engines.transformers.process import NOT_INSTALLED, TransformersLauncher, is_installed

log = logging.getLogger(__name__)


def local_models_of(settings: Settings) -> list[LocalModel]:
    """The models to offer, with the names clients use; raises CommandError where a path offers none, or the engine that
    it takes is not installed.
    """
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
            file_model(tiny.CHAT, replace(engine, embeds=False), tiny.CHAT_NAME),
            file_model(tiny.EMBED, replace(engine, embeds=True), tiny.EMBED_NAME),
        ]
    try:
        offered = offered_models(settings.models.paths, engine, transformers_settings(settings))
        found = {model.name: model for model in offered.models}
        for model in transformers_models(settings):
            add_model(found, model)
    except ModelFileError as error:
        raise CommandError(str(error), Exit.ENGINE) from error
    for line in offered.skipped:
        log.warning("%s", line)
    models = list(found.values())
    if any(model.engine is EngineKind.TRANSFORMERS for model in models) and not is_installed():
        raise CommandError(NOT_INSTALLED, Exit.ENGINE)
    return models


def transformers_models(settings: Settings) -> list[LocalModel]:
    """What `transformers.models` names: folders, called as these, and models of the hub, called as there.

    Raises ModelFileError where a folder holds no such model.
    """
    engine = transformers_settings(settings)
    return [
        folder_model(Path(place), engine)
        if Path(place).is_absolute()
        else LocalModel(place, Path(place), engine, EngineKind.TRANSFORMERS, hub_name=place)
        for place in settings.transformers.models
    ]


def transformers_settings(settings: Settings) -> EngineSettings:
    """How models in transformers' format are run."""
    wanted = settings.transformers
    return EngineSettings(slots=wanted.slots, context=wanted.context, threads=wanted.threads, device=wanted.device)


def launcher_of(settings: Settings, clock: Clock) -> Launcher:
    """What starts engines, of whichever kind a model needs. Raises CommandError as `llamacpp_launcher_of`."""
    transformers = TransformersLauncher(
        settings.data_dir / "run",
        clock,
        prefer_tcp=settings.llamacpp.prefer_tcp,
        load_timeout_s=settings.models.load_timeout_s,
    )
    return Launchers(
        {EngineKind.LLAMA_CPP: llamacpp_launcher_of(settings, clock), EngineKind.TRANSFORMERS: transformers}
    )


def llamacpp_launcher_of(settings: Settings, clock: Clock) -> Launcher:
    """What starts llama.cpp: the built-in one, or the user's own `llama-server` where the settings name one.

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
