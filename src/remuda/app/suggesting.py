"""Suggestions, put together: what the running gateway knows, handed to the rules."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from remuda.app.settings import Settings
from remuda.core.clock import Clock
from remuda.engines.files import ModelFileError, files_of, read_header
from remuda.engines.launch import EngineKind, LocalModel
from remuda.engines.local import LocalModels, Phase
from remuda.fleet.registry import Fleet
from remuda.fleet.replica import Replica
from remuda.fleet.sources.local import SOURCE
from remuda.insight.facts import Held, Placed, Readings
from remuda.insight.suggestions import Suggestions
from remuda.store.database import Store


class GatewayReadings:
    """What suggestions are told of a running gateway."""

    def __init__(
        self,
        settings: Settings,
        fleet: Fleet,
        local: LocalModels,
        loads: Callable[[str], tuple[int, float]],
        clock: Clock,
    ) -> None:
        """`loads`: how often a local model was loaded, and how many seconds that took."""
        self._settings = settings
        self._fleet = fleet
        self._local = local
        self._loads = loads
        self._clock = clock
        self._started = clock.monotonic()

    async def read(self) -> Readings:
        """All of it, as it is now."""
        replicas = sorted(self._fleet.replicas(), key=lambda replica: replica.id)
        files = await asyncio.to_thread(_on_disk, [state.model for state in self._local.states()])
        return Readings(
            watched_s=self._clock.monotonic() - self._started,
            placed=[self._placed(replica) for replica in replicas],
            held=[*self._held_here(files), *self._held_elsewhere(replicas)],
            settings=_settings(self._settings),
        )

    def _held_here(self, files: dict[str, tuple[int | None, str | None]]) -> Iterable[Held]:
        for state in self._local.states():
            size_bytes, quantization = files.get(state.name, (None, None))
            loads, load_s = self._loads(state.name)
            yield Held(
                self._fleet.name_of(state.name),
                is_loaded=state.phase is Phase.RUNNING,
                size_bytes=size_bytes,
                quantization=quantization,
                is_local=True,
                loads=loads,
                load_s=load_s,
            )

    def _held_elsewhere(self, replicas: Iterable[Replica]) -> Iterable[Held]:
        for replica in replicas:
            told = replica.told
            if told is not None and not replica.path:  # what another Remuda has loaded is for that one to judge
                yield Held(
                    self._fleet.name_of(replica.model),
                    is_loaded=told.is_running is True,
                    size_bytes=told.size_vram_bytes or told.size_bytes,
                    quantization=told.quantization or None,
                    is_local=False,
                )

    def _placed(self, replica: Replica) -> Placed:
        is_local = replica.id.startswith(f"{SOURCE}/")
        name = self._fleet.name_of(replica.model)
        return Placed(replica.id, name, replica.slots.size, replica.context_length, is_local)


def suggestions_of(
    settings: Settings, store: Store, clock: Clock, holder: str, readings: GatewayReadings
) -> Suggestions:
    """What makes suggestions by these settings; `holder` tells this process from all others."""
    insight = settings.insight
    return Suggestions(
        store,
        clock,
        holder,
        readings.read,
        target_latency_s=insight.score_latency_ms / 1000,
        target_tokens_per_second=insight.score_tokens_per_second,
        cut_chars=settings.journal.content_max_chars,
    )


def _on_disk(models: Iterable[LocalModel]) -> dict[str, tuple[int | None, str | None]]:
    """Size and quantization of llama.cpp's models, as far as their files tell."""
    found: dict[str, tuple[int | None, str | None]] = {}
    for model in models:
        if model.engine is not EngineKind.LLAMA_CPP:
            continue
        try:
            size = sum(file.stat().st_size for file in files_of(model.path))
            found[model.name] = size, read_header(model.path).quantization
        except (OSError, ModelFileError):
            continue
    return found


def _settings(settings: Settings) -> dict[str, Any]:
    """What rules may propose to change, by dotted names."""
    found: dict[str, Any] = {
        "models.max_loaded": settings.models.max_loaded,
        "models.idle_unload_s": settings.models.idle_unload_s,
        "llamacpp.n_parallel": settings.llamacpp.n_parallel,
        "llamacpp.n_ctx": settings.llamacpp.n_ctx,
        "routing.policy": settings.routing.policy,
    }
    return found | {f"routing.policies.{model}": policy for model, policy in settings.routing.policies.items()}
