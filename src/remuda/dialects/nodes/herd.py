"""What the routes manage; made elsewhere and handed in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol

from remuda.core.node import Node, NodeKind
from remuda.fleet.node_status import NodeStatus


class Herd(Protocol):
    """The nodes."""

    def statuses(self) -> Sequence[NodeStatus]:
        """All of them, those of the settings first."""
        ...

    def status(self, node_id: int) -> NodeStatus | None:
        """One of them."""
        ...

    async def add(
        self,
        url: str,
        *,
        name: str | None = None,
        kind: NodeKind | None = None,
        api_key: str = "",
        api_key_env: str = "",
        slots: int | None = None,
        weight: int = 1,
        is_drained: bool = False,
    ) -> Node:
        """Add one, whether it answers or not. Raises ValueError with a sentence, and what the store raises."""
        ...

    async def seen(self, node_id: int, within_s: float) -> NodeStatus | None:
        """How it stands once it has been asked for the first time, or after so many seconds."""
        ...

    async def change(self, node_id: int, **changes: Any) -> Node | None:
        """Change fields of one that was added; None where there is none. Raises as `add`."""
        ...

    def kept_credential(self, api_key: str, api_key_env: str) -> str:
        """What is kept of a key, or of the variable that it stands in; raises ValueError."""
        ...

    async def remove(self, node_id: int) -> bool:
        """Forget one that was added; False where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Pulled:
    """What came of a pull on one node."""

    node: NodeStatus
    is_well: bool
    message: str
    status: int | None = None
    """The HTTP status of a refusal; None where it has begun, or has not answered."""


Progress = Callable[[NodeStatus, Mapping[str, Any]], None]
"""Takes what a node says on the way, in Ollama's own words."""


class Pulls(Protocol):
    """Has nodes fetch models."""

    async def pull(
        self, nodes: Sequence[NodeStatus], model: str, *, is_insecure: bool, progress: Progress
    ) -> Sequence[Pulled]:
        """Have all of `nodes` fetch `model`, a few at a time; nothing is raised for one that fails."""
        ...


class Strategy(Protocol):
    """Who gets a request."""

    @property
    def policy(self) -> str:
        """The policy of models without one of their own."""
        ...

    @property
    def by_model(self) -> Mapping[str, str]:
        """Those of other models."""
        ...

    @property
    def changed_at(self) -> float:
        """Wall clock of the last change, or of the start."""
        ...

    async def set(self, policy: str | None, by_model: Mapping[str, str] | None) -> None:
        """Change them, for all gateways on this store; None leaves as it is. Raises ValueError for a name that is
        none."""
        ...


class Empty:
    """A herd without nodes, which takes none: enough to list and describe the routes."""

    policy: Final = "least_active"
    by_model: Final[Mapping[str, str]] = MappingProxyType({})
    changed_at: Final = 0.0

    def statuses(self) -> Sequence[NodeStatus]:
        """None."""
        return ()

    def status(self, node_id: int) -> NodeStatus | None:
        """None."""
        return None

    async def seen(self, node_id: int, within_s: float) -> NodeStatus | None:
        """None."""
        return None

    async def add(self, url: str, **fields: Any) -> Node:
        """Refuses."""
        raise ValueError("nodes are not kept here")

    async def change(self, node_id: int, **changes: Any) -> Node | None:
        """There is none."""
        return None

    def kept_credential(self, api_key: str, api_key_env: str) -> str:
        """Refuses."""
        raise ValueError("keys are not kept here")

    async def remove(self, node_id: int) -> bool:
        """There is none."""
        return False

    async def pull(
        self, nodes: Sequence[NodeStatus], model: str, *, is_insecure: bool, progress: Progress
    ) -> Sequence[Pulled]:
        """Nobody does."""
        return ()

    async def set(self, policy: str | None, by_model: Mapping[str, str] | None) -> None:
        """Refuses."""
        raise ValueError("policies are not kept here")


EMPTY: Final = Empty()
