"""The one place where the fleet changes: sources announce, `apply` writes, readers look up."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from remuda.core.faults import Fault, UnknownModel
from remuda.core.model_names import by_either_name, twin_of
from remuda.core.priority import Priority
from remuda.fleet.aliases import Aliases
from remuda.fleet.model import Model as Model
from remuda.fleet.model import first_servable
from remuda.fleet.names import WILDCARD as WILDCARD
from remuda.fleet.names import Names
from remuda.fleet.queue import Queue, Waiter
from remuda.fleet.replica import Replica, ReplicaState, Told


@dataclass(frozen=True, slots=True)
class Served:
    """A source says: these replicas are served, in place of whatever this source said before."""

    source: str
    replicas: tuple[Replica, ...]
    offered: tuple[str, ...] = ()
    """Names the source can serve on demand even where no replica runs."""
    told: Mapping[str, Told] = field(default_factory=dict)
    """What it tells of models, by name, whether a replica runs or not."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A source says: this model could not be brought up; whoever waits for it gets the fault."""

    model: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class Remembered:
    """A source offered these names at some earlier time; what it serves now, it has yet to say."""

    source: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asking:
    """A source has begun to find out what it can serve, and has not said anything yet."""

    source: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A source has found out for the first time what it can serve, or failed to."""

    source: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A source is no more: what it served is not served, and it is not heard of again. What runs there may finish."""

    source: str


@dataclass(frozen=True, slots=True)
class Aliased:
    """The settings say: these names stand for these models, in order, in place of whatever they said before."""

    aliases: Mapping[str, Sequence[str]]


FleetChange = Served | Failed | Remembered | Asking | Asked | Gone | Aliased

OWN: Final = "remuda"
"""Whose a model is that nobody has offered yet."""
MAX_EXPECTED: Final = 256
"""Names nobody knows that are held at once while a source is being asked; more are unknown at once."""


MAX_UNSERVED: Final = 8
"""Waiters that are asked in vain whether a free slot is one for them, before others are asked who want something else;
and kinds of those."""


class Fleet:
    """All models by name, with or without `:latest`. Changes only in `apply`, on the event loop, between two requests.

    What an alias stands for is known from the start, and a name once known stays known. Other names are unknown, but
    not as long as a source has yet to say its first word, or nobody offers anything: until then such a name is
    *expected*, and whoever asks for it waits for that word, or for the first server to come.
    """

    def __init__(
        self, aliases: Mapping[str, str | Sequence[str]] | None = None, wall: Callable[[], float] = lambda: 0.0
    ) -> None:
        """`aliases`: what each stands for, a model or several in order."""
        self._wall = wall
        self._models = Names()
        self._meant = self._models.meant
        self._said: dict[str, frozenset[str]] = {}
        """The names of what each source offers, as it writes them."""
        self._expected: dict[str, Model] = {}
        self._aliases = Aliases()
        self._call(
            {
                alias: (models,) if isinstance(models, str) else tuple(models)
                for alias, models in (aliases or {}).items()
            }
        )
        self._by_source: dict[str, tuple[Replica, ...]] = {}
        self._offers: dict[str, frozenset[Model]] = {}
        self._stand_ins: dict[tuple[str, str], Replica] = {}
        self._asking: set[str] = set()
        self._wanted: list[Callable[[str], None]] = []
        self._on_waiting: list[Callable[[Model], None]] = []
        self._active: dict[str, frozenset[str]] = {}
        """Ids of each source's replicas that could be chosen when it last said something."""
        self._left: list[Callable[[Collection[str]], None]] = []
        self.queued = 0
        """Waiters in all queues."""
        self._waited_for: dict[Model, None] = {}
        """The models that somebody waits for, in the order in which somebody began to."""

    def find(self, name: str) -> Model | None:
        """The model that somebody who asks for `name` gets or waits for, as `look_up`; while names are expected, also
        one that nobody knows. None: there is no such model."""
        model = self._meant.get(name)
        if model is not None and model.is_offered:
            return model
        model = self.look_up(name)
        return self._expect(name) if model is None and self.is_expecting else model

    def look_up(self, name: str) -> Model | None:
        """The model called `name`, with or without the tag `:latest`, or what an alias called so stands for, or, where
        some server takes any name, that. An alias `x` comes before a model that is offered as `x:latest` alone."""
        model = self._meant.get(name)
        if model is not None and model.is_offered:
            return model
        aliases = self._aliases
        alias = aliases.meant(name)
        if alias is not None:
            return alias
        alias = aliases.meant(twin_of(name))
        if alias is not None and (alias.chain or alias.is_offered or model is None):
            return alias
        wild = self._meant.get(WILDCARD)
        if wild is not None and wild.replicas and (model is None or not model.replicas):
            return wild
        return model  # known, though nobody offers it at present

    def meant(self, name: str) -> Model | None:
        """As `look_up`; of an alias of several models the one that would be taken now."""
        model = self.look_up(name)
        return first_servable(model.chain) if model is not None and model.chain else model

    def knows(self, name: str) -> bool:
        """Whether some source has said this name, with or without `:latest`, or configuration makes it an alias."""
        return (name in self._meant or name in self._aliases.first) and name != WILDCARD

    @property
    def is_expecting(self) -> bool:
        """Whether a name that nobody knows may yet be said: some source has still to say its first word, or there is
        no server that offers anything, and the first to come may offer it."""
        return bool(self._asking) or not self.is_offering

    @property
    def is_offering(self) -> bool:
        """Whether any source says at present that it can serve something."""
        return any(self._offers.values())

    def models(self) -> Sequence[Model]:
        """All models with a name of their own, sorted by it."""
        return sorted((model for model in self._models if model.name != WILDCARD), key=lambda model: model.name)

    def offered(self) -> Sequence[Model]:
        """Those of `models` that somebody offers at present, and those that aliases stand for."""
        return [model for model in self.models() if model.is_offered or model in self._aliases.targets]

    def is_on_demand(self, model: Model) -> bool:
        """Whether somebody offers `model` who has no replica of it at present, and would make one."""
        return sum(model in offered for offered in self._offers.values()) > len(model.replicas)

    def aliases(self) -> Mapping[str, str]:
        """Configured aliases, each to the model that it stands for at present."""
        aliases = self._aliases
        meant = {alias: first_servable(chain.chain) for alias, chain in aliases.chains.items()}
        return {alias: model.name for alias, model in (aliases.first | meant).items()}

    def replicas(self) -> Iterable[Replica]:
        """Every replica of every model."""
        for model in self._models:
            yield from model.replicas

    def name_of(self, said: str) -> str:
        """What the model is called that a source calls `said`."""
        model = self._models.called(said)
        return said if model is None else model.name

    def on_wanted(self, callback: Callable[[str], None]) -> None:
        """Call `callback(model)` when somebody asks for a model that no replica serves at the moment."""
        self._wanted.append(callback)

    def want(self, model: Model) -> None:
        """Tell the sources that `model` is asked for: of several, the first that somebody says he can serve."""
        meant = next((each for each in model.chain if each.is_offered), model)
        for callback in self._wanted:
            callback(meant.name)

    def on_left(self, callback: Callable[[Collection[str]], None]) -> None:
        """Call `callback(ids)` when replicas can no longer be chosen: gone, on standby, or draining."""
        self._left.append(callback)

    def apply(self, change: FleetChange) -> None:
        """Take in what a source says; wakes or fails those who wait for it."""
        match change:
            case Served():
                self._serve(change)
            case Failed():
                self._fail(change)
            case Remembered(source, names):
                for name in names:
                    self._known(name, source)
            case Asking(source):
                self._asking.add(source)
            case Asked(source):
                self._has_spoken(source)
            case Gone(source):
                self._serve(Served(source, ()))
                del self._by_source[source], self._offers[source], self._said[source], self._active[source]
                self._stand_ins = {key: each for key, each in self._stand_ins.items() if self._is_served(key[0])}
                self._has_spoken(source)
            case Aliased(aliases):
                self._alias(aliases)

    def _has_spoken(self, source: str) -> None:
        self._asking.discard(source)
        self._let_go_of_expected()

    def _is_served(self, replica_id: str) -> bool:
        return any(each.id == replica_id for served in self._by_source.values() for each in served)

    def _serve(self, change: Served) -> None:
        source = change.source
        names = {replica.model for replica in change.replicas} | set(change.offered)
        offered = frozenset([self._known(name, source) for name in names])
        changed = offered | self._offers.get(source, frozenset())
        self._by_source[source] = change.replicas
        self._offers[source] = offered
        self._said[source] = frozenset(names)
        self._leave_names()
        by_model, sources = self._sorted()
        told = by_either_name(change.told)
        is_wild = self._meant.get(WILDCARD) in changed
        for model in changed | self._aliases.targets if is_wild else changed:
            model.is_offered = any(model in offers for offers in self._offers.values())
            model.replicas = self._replicas_of(model, by_model)
            model.told = told.get(model.name, model.told)
            self._describe(model, sources)
            self.wake(model)
        for chain in self._aliases.waited_on():
            if is_wild or not changed.isdisjoint(chain.chain):
                self._link(chain)
                self.wake(chain)
        if is_wild:
            self._lend_to_expected()
        self._let_go_of_expected()
        self._tell_of_left(change)

    def _tell_of_left(self, change: Served) -> None:
        active = frozenset(replica.id for replica in change.replicas if replica.state is ReplicaState.ACTIVE)
        left = self._active.get(change.source, frozenset()) - active
        self._active[change.source] = active
        if left:
            stand_ins = [each.id for (wild, _), each in self._stand_ins.items() if wild in left]
            for tell in self._left:
                tell(left.union(stand_ins))

    def _alias(self, aliases: Mapping[str, Sequence[str]]) -> None:
        """Have names stand for what the settings say now; who waits by a name that stands for nothing any more waits
        on for what it meant."""
        targets = self._aliases.targets
        self._call(aliases)
        by_model, sources = self._sorted()
        for model in targets | self._aliases.targets:
            model.replicas = self._replicas_of(model, by_model)
            self._describe(model, sources)
            self.wake(model)
        for chain in self._aliases.waited_on():
            self._link(chain)
            self.wake(chain)

    def _call(self, aliases: Mapping[str, Sequence[str]]) -> None:
        self._aliases.take(aliases, self._target)
        self._leave_names()

    def _leave_names(self) -> None:
        """To each alias its name, unless a source says that it offers a model called exactly so."""
        said = self._said.values()
        self._models.leave(name for name in self._aliases.first if not any(name in names for names in said))

    def _target(self, name: str) -> Model:
        """The model called `name`, known from now on because an alias stands for it."""
        model = self._models.called(name)
        if model is None:
            return self._known(name, OWN)
        self._models.also(model, name)
        return model

    def _known(self, name: str, source: str) -> Model:
        """The model called `name`, known from now on if it was not; those who expected it wait for it from now on."""
        model = self._models.called(name)
        if model is None:
            expected = self._expected.pop(name, None) or self._expected.pop(twin_of(name), None)
            model = expected or Model(name, created_at=int(self._wall()))
            model.name, model.owner = name, source
            self._models.add(model)
            return model
        self._models.also(model, name)
        if not model.is_offered and not model.replicas:
            model.owner = source
        return model

    def _sorted(self) -> tuple[dict[Model, list[Replica]], dict[Replica, str]]:
        """All replicas by model, and the source of each: made once a change, which may name thousands of models."""
        by_model: dict[Model, list[Replica]] = {}
        sources: dict[Replica, str] = {}
        for source, served in self._by_source.items():
            for replica in served:
                by_model.setdefault(self._models[replica.model], []).append(replica)
                sources[replica] = source
        return by_model, sources

    def _describe(self, model: Model, sources: Mapping[Replica, str]) -> None:
        """Say of `model` what those replicas tell that may be chosen, else any; where there are none, as before."""
        told = [replica for replica in model.replicas if replica.is_routable] or model.replicas
        lengths = [replica.context_length for replica in told if replica.context_length is not None]
        model.context_length = max(lengths, default=model.context_length)
        model.owner = next((sources[replica] for replica in told if replica in sources), model.owner)

    def _link(self, chain: Model) -> None:
        """Have an alias of several models say what these say now."""
        chain.replicas = tuple(replica for model in chain.chain for replica in model.replicas)
        chain.is_offered = any(model.is_offered for model in chain.chain)
        meant = first_servable(chain.chain)
        chain.owner, chain.context_length = meant.owner, meant.context_length

    def _replicas_of(self, model: Model, by_model: Mapping[Model, list[Replica]]) -> tuple[Replica, ...]:
        own = tuple(by_model.get(model, ()))
        wild = self._meant.get(WILDCARD)
        if model.is_offered or model not in self._aliases.targets or wild is None:
            return own
        return tuple(self._stand_in(replica, model.name) for replica in by_model.get(wild, ()))

    def _stand_in(self, wild: Replica, name: str) -> Replica:
        """`wild` as a replica of the model `name` that an alias names: such a server must not be told the alias."""
        replica = self._stand_ins.get((wild.id, name))
        if replica is None or replica.slots is not wild.slots or replica.engine is not wild.engine:
            replica = Replica(
                f"{wild.id}/{name}",
                model=name,
                upstream_model=name,
                engine=wild.engine,
                address=wild.address,
                slots=wild.slots,
                headers=wild.headers,
                context_length=wild.context_length,
                deadlines=wild.deadlines,
                tls=wild.tls,
                weight=wild.weight,
                path=wild.path,
            )
            self._stand_ins[wild.id, name] = replica
        replica.state = wild.state
        return replica

    # Names that nobody knows yet

    def _expect(self, name: str) -> Model | None:
        model = self._expected.get(name) or self._expected.get(twin_of(name))
        if model is None and name != WILDCARD:
            if len(self._expected) >= MAX_EXPECTED:
                self._expected = {each.name: each for each in self._expected.values() if each.waiting}
            if len(self._expected) < MAX_EXPECTED:
                model = self._expected[name] = Model(name)
        return model

    def _lend_to_expected(self) -> None:
        """A server that takes any name takes those that are waited for too."""
        for model in self._expected.values():
            model.replicas = self._meant[WILDCARD].replicas
            self.wake(model)

    def _let_go_of_expected(self) -> None:
        """All have spoken and something is offered: whoever waits for a name that none said waits in vain."""
        if not self._expected or self.is_expecting:
            return
        for model in self._expected.values():
            said = model.name[:200]
            fault = UnknownModel(f"there is no model called {said!r} here", parameter="model", received=said)
            if not model.replicas:
                for waiter in model.waiting.clear():
                    waiter.fail(fault)
        self._expected = {each.name: each for each in self._expected.values() if each.waiting}

    # Those who wait

    def on_waiting(self, callback: Callable[[Model], None]) -> None:
        """Call `callback(model)` when somebody begins to wait for a slot of a model who is not in the background."""
        self._on_waiting.append(callback)

    def enqueue(self, model: Model, waiter: Waiter, size: int, now: float) -> None:
        """`waiter`, whose request takes up `size` bytes, waits for `model` from the monotonic time `now` on."""
        if not model.waiting:
            model.granted_at = now
            self._waited_for[model] = None
        model.waiting.add(waiter)
        model.waiting_bytes += size
        self.queued += 1
        if waiter.priority is not Priority.BACKGROUND:
            for callback in self._on_waiting:
                callback(model)

    def dequeue(self, model: Model, waiter: Waiter, size: int) -> None:
        """It no longer does: it has a slot, or wants none any more."""
        model.waiting.discard(waiter)
        model.waiting_bytes -= size
        self.queued -= 1
        if not model.waiting:
            self._waited_for.pop(model, None)

    def waited_for(self) -> Sequence[Model]:
        """The models that somebody waits for."""
        return list(self._waited_for)

    def wake(self, model: Model) -> None:
        """Let as many waiters try as there are free slots."""
        waiting = model.waiting
        free = sum(replica.free for replica in model.replicas if replica.is_routable)
        unserved: list[Waiter] = []
        while free > 0 and waiting and len(unserved) < MAX_UNSERVED:
            waiter = waiting.pop()
            took = waiter.wake()
            if took:
                free -= 1
            elif took is not None:
                unserved.append(waiter)  # what is free is not for it; it may be for the next
        for waiter in reversed(unserved):
            waiting.put_back(waiter)
        if free > 0 and len(unserved) == MAX_UNSERVED:
            _wake_others(waiting, free, {waiter.wants for waiter in unserved})

    def freed(self, replica: Replica) -> None:
        """A slot of `replica` is free again: its model's queue comes first, then others' on the same server."""
        if not self.queued:
            return
        served = self._models.called(replica.model)
        if served is not None and served.waiting:
            self.wake(served)
        if replica.slots.free > 0:
            for model in self.waited_for():
                if any(other.slots is replica.slots for other in model.replicas):
                    self.wake(model)

    def _fail(self, change: Failed) -> None:
        model = self._models.called(change.model)
        if model is None:
            return
        for each in (model, *(chain for chain in self._aliases.waited_on() if model in chain.chain)):
            if not any(replica.is_routable for replica in each.replicas):
                for waiter in each.waiting.clear():
                    waiter.fail(change.fault)


def _wake_others(waiting: Queue, free: int, in_vain: set[Hashable]) -> None:
    """Those at the front wait for other servers alone: let others try who do not want the same."""
    served: list[Waiter] = []
    for waiter in waiting.order():  # which must not change meanwhile: who takes a slot leaves the queue afterwards
        if waiter.wants in in_vain:
            continue
        took = waiter.wake()
        if took is False:
            in_vain.add(waiter.wants)
        else:
            served.append(waiter)
            free -= bool(took)
        if free <= 0 or len(in_vain) > MAX_UNSERVED:
            break
    for waiter in served:
        waiting.take(waiter)
