"""The local models that settings ask for."""

from remuda.app.settings import Settings
from remuda.engines import tiny
from remuda.engines.launch import EngineSettings, LocalModel


def local_models_of(settings: Settings) -> list[LocalModel]:
    """The files to offer, with the names clients use."""
    llamacpp = settings.llamacpp
    engine = EngineSettings(
        slots=llamacpp.n_parallel,
        context=llamacpp.n_ctx,
        threads=llamacpp.n_threads,
        gpu_layers=llamacpp.n_gpu_layers,
    )
    if settings.offers_tiny_models:
        return [
            LocalModel(tiny.CHAT_NAME, tiny.CHAT, EngineSettings(slots=llamacpp.n_parallel, embeds=False)),
            LocalModel(tiny.EMBED_NAME, tiny.EMBED, EngineSettings(slots=llamacpp.n_parallel, embeds=True)),
        ]
    del engine
    return []
