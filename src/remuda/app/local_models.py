"""The local models that settings ask for."""

import logging
from dataclasses import replace

from remuda.app.exits import CommandError, Exit
from remuda.app.settings import Settings
from remuda.engines import tiny
from remuda.engines.files import ModelFileError, offered_models
from remuda.engines.launch import EngineSettings, LocalModel

log = logging.getLogger(__name__)


def local_models_of(settings: Settings) -> list[LocalModel]:
    """The files to offer, with the names clients use; raises CommandError where a path offers none."""
    llamacpp = settings.llamacpp
    engine = EngineSettings(
        slots=llamacpp.n_parallel,
        context=llamacpp.n_ctx,
        threads=llamacpp.n_threads,
        gpu_layers=llamacpp.n_gpu_layers,
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
