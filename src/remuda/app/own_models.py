"""The gateway's own models, as Ollama's clients ask after them and have them kept."""

from collections.abc import Callable

from remuda.core.model_names import by_either_name
from remuda.engines.local import LocalModels
from remuda.fleet.registry import Fleet


class OwnModels:
    """Satisfies `remuda.dialects.ollama.own.OwnModels`."""

    def __init__(self, fleet: Fleet, local: LocalModels, wall: Callable[[], float]) -> None:
        self._fleet = fleet
        self._local = local
        self._wall = wall
        self._names = by_either_name({state.name: state.name for state in local.states()})

    def expires_at(self, name: str) -> float | None:
        """When it is unloaded if nobody uses it any more."""
        model = self._meant(name)
        stays_s = None if model is None else self._local.stays_s(model)
        return None if stays_s is None else self._wall() + stays_s

    def keep(self, name: str, seconds: float) -> None:
        """Have it stay for so long after its last use."""
        if (model := self._meant(name)) is not None:
            self._local.keep(model, seconds)

    def unload(self, name: str) -> str | None:
        """Unload it as soon as it is idle; its own name, where it is one of these."""
        model = self._meant(name)
        if model is not None:
            self._local.keep(model, 0)
        return model

    def _meant(self, name: str) -> str | None:
        model = self._fleet.meant(name)
        return None if model is None else self._names.get(model.name)
