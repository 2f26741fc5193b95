"""What Ollama's API needs of the models that the gateway itself loads and unloads."""

from typing import Final, Protocol


class OwnModels(Protocol):
    """Those models. Names are the clients' words, and may be of other models."""

    def expires_at(self, name: str) -> float | None:
        """Unix time at which it is unloaded if nobody uses it any more; `inf`: not at all; None: it is none of these,
        or not loaded."""
        ...

    def keep(self, name: str, seconds: float) -> None:
        """Have it stay loaded for so long after its last use; 0: until it is idle, `inf`: for ever."""
        ...

    def unload(self, name: str) -> str | None:
        """Unload it as soon as it is idle; the model's own name, or None where it is none of these."""
        ...


class NoModels:
    """A gateway that loads none."""

    def expires_at(self, name: str) -> None:
        """None is loaded."""

    def keep(self, name: str, seconds: float) -> None:
        """There is nothing to keep."""

    def unload(self, name: str) -> None:
        """It is none of these."""


NONE: Final = NoModels()
