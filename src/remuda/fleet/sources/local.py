"""The models this machine serves itself: their states become replicas."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from remuda.core.faults import EngineDown
from remuda.engines.launch import EngineKind, ModelFacts
from remuda.engines.local import LocalModelState, Phase
from remuda.engines.protocol import Engine
from remuda.fleet.registry import Failed, FleetChange, Served
from remuda.fleet.replica import Deadlines, Replica, ReplicaState, Slots, Told

SOURCE = "local"
RETRY_S = 5
"""What a client is told to wait where the model's state names no time."""
_SIZES: Final = ((10**9, "B", 1), (10**6, "M", 2), (10**3, "K", 0))
"""How numbers of weights are written: the unit, its letter, decimals where it does not come out even."""


class LocalSource:
    """Turns each change of a local model's state into a change of the fleet."""

    def __init__(
        self, engines: Mapping[EngineKind, Engine], announce: Callable[[FleetChange], None], deadlines: Deadlines
    ) -> None:
        self._engines = engines
        self._announce = announce
        self._deadlines = deadlines
        self._replicas: dict[str, Replica] = {}
        self._offered: set[str] = set()
        self._told: dict[str, Told] = {}

    def changed(self, state: LocalModelState) -> None:
        """Take in a state; suits `LocalModels.on_change`."""
        name = state.name
        self._offered.add(name)
        if state.model.facts is not None and name not in self._told:
            self._told[name] = told_of(state.model.facts)
        replica = self._replicas.get(name)
        if state.phase is Phase.RUNNING and state.address is not None:
            self._replicas[name] = Replica(
                f"local/{name}",
                model=name,
                upstream_model=name,
                engine=self._engines[state.engine],
                address=state.address,
                slots=Slots(state.slots),
                headers=((b"Authorization", b"Bearer " + state.api_key.encode()),) if state.api_key else (),
                context_length=state.context,
                deadlines=self._deadlines,
                is_restarted=True,
                told=self._told.get(name),
            )
        elif state.phase is Phase.UNLOADING and replica is not None:
            replica.state = ReplicaState.DRAINING
        else:
            self._replicas.pop(name, None)
        offered = tuple(sorted(self._offered))
        self._announce(Served(SOURCE, tuple(self._replicas.values()), offered, self._told))
        if state.phase is Phase.ERROR:
            fault = EngineDown(
                f"the model {name} cannot be served: {state.reason}", retry_after_s=state.retry_after_s or RETRY_S
            )
            self._announce(Failed(name, fault))

    def is_busy(self, name: str) -> bool:
        """Whether asks for `name` are under way; suits `LocalModels.is_busy`."""
        replica = self._replicas.get(name)
        return replica is not None and replica.slots.in_use > 0


def told_of(facts: ModelFacts) -> Told:
    """What a model's file says of it, as servers elsewhere tell it of theirs."""
    return Told(
        size_bytes=facts.size_bytes,
        digest=facts.digest,
        modified_at=datetime.fromtimestamp(facts.changed_at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        format="gguf",
        family=facts.architecture,
        families=(facts.architecture,) if facts.architecture else (),
        parameter_size="" if facts.parameters is None else size_of(facts.parameters),
        quantization=facts.quantization,
        capabilities=facts.capabilities,
        trained_context=facts.trained_context,
        info=facts.info,
    )


def size_of(parameters: int) -> str:
    """A number of weights as Ollama writes it: `7.2B`, `494.03M`, `8B`, `919K`."""
    for unit, letter, decimals in _SIZES:
        if parameters >= unit:
            return f"{parameters / unit:.{decimals if parameters % unit else 0}f}{letter}"
    return str(parameters)
