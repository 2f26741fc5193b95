"""Nodes that keep models by Ollama's own API; made elsewhere and handed in."""

from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from remuda.wire.via import Via

PUSH: Final = "/api/push"
LACKS_IT: Final = 404


class Outcome(NamedTuple):
    """What came of it on one node."""

    node: str
    is_well: bool
    message: str
    status: int | None = None
    """The HTTP status of a refusal, 404 too for what is to be published and is not there; None where it has begun, or
    has not answered."""


class Said(NamedTuple):
    """What one node answered."""

    node: str
    status: int
    """0: nothing."""
    body: bytes


class Keepers(Protocol):
    """All of them."""

    def past(self, via: Via | None) -> "Keepers":
        """Those for a request that has come through others, which are not asked. Raises LoopDetected where it has come
        back, or there are no others."""
        ...

    async def stream(
        self, path: str, asked: Mapping[str, Any], progress: Callable[[str, Mapping[str, Any]], None]
    ) -> Sequence[Outcome]:
        """Ask each at `path`, and hand on what each (by its name) says on the way. Raises nothing for one that
        fails."""
        ...

    async def call(self, method: str, path: str, body: bytes) -> Sequence[Said]:
        """What each answers at `path`."""
        ...

    async def give(self, path: str, pieces: AsyncIterable[bytes], size: int | None) -> Sequence[Said]:
        """Give each that lacks it the file at `path`, as its bytes come, `size` in all where that is known; what each
        answers. What `pieces` raises is raised, and no node takes what it has got for the whole file. Raises
        Unavailable where too many are given files already."""
        ...


class Nobody:
    """No node keeps anything."""

    def past(self, via: Via | None) -> "Nobody":
        """Nobody either."""
        return self

    async def stream(
        self, path: str, asked: Mapping[str, Any], progress: Callable[[str, Mapping[str, Any]], None]
    ) -> Sequence[Outcome]:
        """Nothing comes of it."""
        return ()

    async def call(self, method: str, path: str, body: bytes) -> Sequence[Said]:
        """Nobody answers."""
        return ()

    async def give(self, path: str, pieces: AsyncIterable[bytes], size: int | None) -> Sequence[Said]:
        """Nobody takes it."""
        return ()


NOBODY: Final = Nobody()
