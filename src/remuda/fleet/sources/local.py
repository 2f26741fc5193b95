"""The models this machine serves itself: their states become replicas."""

from collections.abc import Callable, Mapping

from remuda.core.faults import EngineDown
from remuda.engines.launch import EngineKind
from remuda.engines.local import LocalModelState, Phase
from remuda.engines.protocol import Engine
from remuda.fleet.registry import Failed, FleetChange, Served
from remuda.fleet.replica import Deadlines, Replica, ReplicaState, Slots

SOURCE = "local"
RETRY_S = 5
"""What a client is told to wait where the model's state names no time."""


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

    def changed(self, state: LocalModelState) -> None:
        """Take in a state; suits `LocalModels.on_change`."""
        name = state.name
        self._offered.add(name)
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
            )
        elif state.phase is Phase.UNLOADING and replica is not None:
            replica.state = ReplicaState.DRAINING
        else:
            self._replicas.pop(name, None)
        self._announce(Served(SOURCE, tuple(self._replicas.values()), offered=tuple(sorted(self._offered))))
        if state.phase is Phase.ERROR:
            fault = EngineDown(
                f"the model {name} cannot be served: {state.reason}", retry_after_s=state.retry_after_s or RETRY_S
            )
            self._announce(Failed(name, fault))

    def is_busy(self, name: str) -> bool:
        """Whether asks for `name` are under way; suits `LocalModels.is_busy`."""
        replica = self._replicas.get(name)
        return replica is not None and replica.slots.in_use > 0
