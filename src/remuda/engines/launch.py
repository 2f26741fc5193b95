"""The seam between the local models and whatever starts an engine process for one of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from remuda.core.address import Address

DEFAULT_SLOTS = 4
DEFAULT_CONTEXT = 4096
"""Tokens per slot where the user names no number: the cache for four such slots fits beside a 7 B model in 16 GB."""
DEFAULT_PROMPT_CACHE_MIB = 256
"""llama.cpp's own default of 8 GiB is too much for a machine that does other work besides."""


class EngineKind(StrEnum):
    """The kinds of engine that this machine can start itself; the words of `Engine.kind`."""

    LLAMA_CPP = "llama.cpp"
    TRANSFORMERS = "transformers"


class Stage(StrEnum):
    """How far a load has come."""

    STARTING = "starting"
    LOADING_WEIGHTS = "loading_weights"
    WARMING_UP = "warming_up"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """One step of a load."""

    stage: Stage
    percent: int
    """0 to 100 of the weights read; 100 from warming up on."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How one local model is to be run."""

    slots: int = DEFAULT_SLOTS
    """Requests served at the same time."""
    context: int | None = None
    """Tokens per slot; None: what the model was trained for, at most DEFAULT_CONTEXT."""
    threads: int | None = None
    """None: one per core this process may use."""
    gpu_layers: int | None = None
    """Layers put on the GPU; None: as many as fit."""
    batch: int = 256
    """Prompt tokens per step. Smaller steps let a request be given up sooner, larger ones read long prompts faster on a
    GPU. The engine looks for a vanished client between steps: 512 took 3.7 s on a 150 M model, 128 none that was
    felt."""
    embeds: bool | None = None
    """Serve embeddings; None: as the file's metadata says."""
    prompt_cache_mib: int = DEFAULT_PROMPT_CACHE_MIB
    """Memory for prompts kept to be continued."""
    device: str | None = None
    """Where transformers computes, in torch's words (`cpu`, `cuda`, `cuda:1`, `mps`); None: a GPU where there is
    one."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model's files said of it when it was offered. None, or empty: they do not say."""

    size_bytes: int
    """Of all its files."""
    changed_at: float
    """Unix time of the last change to any of them."""
    digest: str
    """Another one where a file has changed; made of what tells so (`Stamp`), not of the contents, which take minutes to
    read."""
    architecture: str = ""
    """Its family, e.g. `llama`."""
    parameters: int | None = None
    """Weights in all its tensors."""
    quantization: str = ""
    """How most weights are stored, e.g. `Q4_K_M`."""
    trained_context: int | None = None
    """Tokens."""
    capabilities: tuple[str, ...] = ()
    """What can be asked of it as it will be run, in Ollama's words."""
    info: tuple[tuple[str, str | int | float], ...] = ()
    """Short values of its header, by key."""


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A file, or a folder, that this machine can serve under a name."""

    name: str
    path: Path
    settings: EngineSettings = field(default_factory=EngineSettings)
    engine: EngineKind = EngineKind.LLAMA_CPP
    hub_name: str | None = None
    """What the model is called on the Hugging Face hub, where it is named so; then `path` is this name too, and no
    place on the disk."""
    facts: ModelFacts | None = field(default=None, compare=False, repr=False)
    """None where its format is not read for them."""


Stamp = tuple[tuple[int, int] | None, ...]
"""Size and time of change, in nanoseconds, of each file of a model; None for one that is missing."""


class LoadFailed(Exception):
    """An engine could not be started for a model. The message is one line for the operator, without folder names."""


class EngineProcess(Protocol):
    """A running engine that serves one model."""

    @property
    def address(self) -> Address:
        """Where it listens."""
        ...

    @property
    def api_key(self) -> str | None:
        """What it wants as a bearer token; None on a unix socket, which its folder's mode protects."""
        ...

    @property
    def slots(self) -> int:
        """Requests it serves at the same time."""
        ...

    @property
    def context(self) -> int:
        """Tokens per slot."""
        ...

    async def ended(self) -> str:
        """Return when the process has ended, with the reason in one line."""
        ...

    async def stop(self) -> None:
        """End the process; returns when it is gone. May be called more than once."""
        ...


class Launcher(Protocol):
    """Starts engines."""

    async def stamp(self, model: LocalModel) -> Stamp:
        """What `model`'s file looks like now: another stamp means another file. Never raises."""
        ...

    async def check(self, model: LocalModel) -> None:
        """Look at `model`'s file without starting anything. Raises LoadFailed where no engine could load it."""
        ...

    async def start(self, model: LocalModel, on_progress: Callable[[LoadProgress], None]) -> EngineProcess:
        """Start an engine for `model`; returns when it is ready. Raises LoadFailed; when cancelled, nothing is left."""
        ...


class Launchers:
    """A launcher for models of several kinds: each is left to the launcher of its own."""

    def __init__(self, by_kind: Mapping[EngineKind, Launcher]) -> None:
        self._by_kind = by_kind

    async def stamp(self, model: LocalModel) -> Stamp:
        """What `model`'s files look like now."""
        return await self._by_kind[model.engine].stamp(model)

    async def check(self, model: LocalModel) -> None:
        """Raise LoadFailed where no engine could load `model`."""
        await self._by_kind[model.engine].check(model)

    async def start(self, model: LocalModel, on_progress: Callable[[LoadProgress], None]) -> EngineProcess:
        """Start an engine for `model`."""
        return await self._by_kind[model.engine].start(model, on_progress)
