"""The one place where the fleet changes: sources announce, `apply` writes, readers look up."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from remuda.core.faults import Fault
from remuda.fleet.replica import Replica


class Waiter(Protocol):
    """Somebody in the queue of a model."""

    def wake(self) -> bool:
        """A slot may be free: take one. False if this waiter no longer wants it."""
        ...

    def fail(self, fault: Fault) -> None:
        """The model will not come."""
        ...


@dataclass(slots=True, eq=False)
class Model:
    """What a client may name, who serves it, and who waits for it."""

    name: str
    replicas: tuple[Replica, ...] = ()
    waiting: deque[Waiter] = field(default_factory=deque)
    waiting_bytes: int = 0
    turn: int = 0
    """Counts choices, so that equal replicas take turns."""
    created_at: int = 0
    """Unix time at which it became known."""
    owner: str = "remuda"
    """Where it comes from, as `/v1/models` says it: `remuda` for local files, else the upstream's name."""


@dataclass(frozen=True, slots=True)
class Served:
    """A source says: these replicas are served, in place of whatever this source said before."""

    source: str
    replicas: tuple[Replica, ...]
    offered: tuple[str, ...] = ()
    """Names the source can serve on demand even where no replica runs."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A source says: this model could not be brought up; whoever waits for it gets the fault."""

    model: str
    fault: Fault


FleetChange = Served | Failed

WILDCARD = "*"
"""The model of replicas whose server does not tell what it serves: any name no other source knows goes there."""


class Fleet:
    """All models by name. Changes only in `apply`, on the event loop, between two requests."""

    def __init__(self, aliases: Mapping[str, str] | None = None, wall: Callable[[], float] = lambda: 0.0) -> None:
        self._models: dict[str, Model] = {}
        self._aliases = dict(aliases or {})
        self._by_source: dict[str, tuple[Replica, ...]] = {}
        self._wanted: list[Callable[[str], None]] = []
        self._wall = wall
        self.queued = 0
        """Waiters in all queues; kept by whoever queues them."""

    def find(self, name: str) -> Model | None:
        """The model a client means by `name`: exact, an alias, or, where some server takes any name, that."""
        model = self._models.get(name)
        if model is None:
            target = self._aliases.get(name)
            model = self._models.get(target) if target is not None else None
            if model is None and target is None and (wild := self._models.get(WILDCARD)) is not None and wild.replicas:
                return wild
        return model

    def knows(self, name: str) -> bool:
        """Whether some source has said this very name, or configuration makes it an alias of one that was said."""
        return self._aliases.get(name, name) in self._models and name != WILDCARD

    def models(self) -> Sequence[Model]:
        """All models with a name of their own, sorted by it."""
        return [self._models[name] for name in sorted(self._models) if name != WILDCARD]

    def aliases(self) -> Mapping[str, str]:
        """Configured aliases, alias to model."""
        return self._aliases

    def replicas(self) -> Iterable[Replica]:
        """Every replica of every model."""
        for model in self._models.values():
            yield from model.replicas

    def on_wanted(self, callback: Callable[[str], None]) -> None:
        """Call `callback(model)` when somebody asks for a model that no replica serves at the moment."""
        self._wanted.append(callback)

    def want(self, model: Model) -> None:
        """Tell the sources that `model` is asked for."""
        for callback in self._wanted:
            callback(model.name)

    def apply(self, change: FleetChange) -> None:
        """Take in what a source says; wakes or fails those who wait for it."""
        if isinstance(change, Failed):
            self._fail(change)
            return
        before = self._by_source.get(change.source, ())
        self._by_source[change.source] = change.replicas
        names = {replica.model for replica in (*before, *change.replicas)} | set(change.offered)
        for name in names:
            model = self._models.setdefault(name, Model(name, created_at=int(self._wall()), owner=change.source))
            model.replicas = tuple(
                replica for served in self._by_source.values() for replica in served if replica.model == name
            )
            self.wake(model)

    def wake(self, model: Model) -> None:
        """Let as many waiters try as there are free slots."""
        free = sum(replica.slots.free for replica in model.replicas if replica.is_routable)
        while free > 0 and model.waiting:
            if model.waiting.popleft().wake():
                free -= 1

    def freed(self, replica: Replica) -> None:
        """A slot of `replica` is free again: its model's queue comes first, then others' on the same server."""
        if not self.queued:
            return
        served = self._models.get(replica.model)
        if served is not None and served.waiting:
            self.wake(served)
        if replica.slots.free > 0:
            for model in self._models.values():
                if model.waiting and any(other.slots is replica.slots for other in model.replicas):
                    self.wake(model)

    def _fail(self, change: Failed) -> None:
        model = self._models.get(change.model)
        if model is not None and not any(replica.is_routable for replica in model.replicas):
            while model.waiting:
                model.waiting.popleft().fail(change.fault)
