"""OpenAI-compatible servers elsewhere: what they offer is asked of them again and again."""

import logging
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

from remuda.core.address import Address
from remuda.core.clock import Clock
from remuda.engines.protocol import Engine
from remuda.fleet.registry import WILDCARD, Asked, Asking, FleetChange, Served
from remuda.fleet.replica import Deadlines, Replica, ReplicaState, Slots
from remuda.outbound.http import NotJson, OutboundClient, OutboundError

log = logging.getLogger(__name__)

ASK_EVERY_S: Final = 10.0
ASK_AGAIN_S: Final = 1.0
"""While a server does not answer."""
FAILURES_TO_STANDBY: Final = 2
"""Questions in a row without an answer before a server's replicas are no longer chosen."""
MAX_MODELS: Final = 10_000


class UpstreamSource:
    """Watches one server and announces the replicas it offers."""

    def __init__(
        self,
        name: str,
        *,
        address: Address,
        engine: Engine,
        client: OutboundClient,
        slots: int,
        headers: tuple[tuple[bytes, bytes], ...],
        models: Sequence[str],
        deadlines: Deadlines,
        tls: ssl.SSLContext | None = None,
        weight: int = 1,
        announce: Callable[[FleetChange], None],
        clock: Clock,
    ) -> None:
        self.name = name
        self._address = address
        self._engine = engine
        self._client = client
        self._slots = Slots(slots)
        self._headers = headers
        self._configured = tuple(models)
        self._deadlines = deadlines
        self._tls = tls
        self._weight = weight
        self._announce = announce
        self._clock = clock
        self._replicas: dict[str, Replica] = {}
        self._failures = 0
        self._is_asking = False

    def begin(self) -> None:
        """Announce what configuration names, before the server has been asked, or else that it is being asked."""
        if self._configured:
            self._serve(self._configured, ReplicaState.ACTIVE)
        else:
            self._is_asking = True
            self._announce(Asking(self.name))

    async def run(self) -> None:
        """Ask for ever. Survives every answer and every failure to get one."""
        while True:
            await self.ask()
            await self._clock.sleep(ASK_AGAIN_S if self._failures else ASK_EVERY_S)

    async def ask(self) -> None:
        """Ask the server once what it offers, and announce it."""
        await self._ask()
        if self._is_asking:
            self._is_asking = False
            self._announce(Asked(self.name))

    async def _ask(self) -> None:
        try:
            offered = names_in(await self._client.get_json("/models"))
        except NotJson as error:
            self._answered(f"does not list its models ({error}): any name is passed on to it")
            self._serve(self._configured or (WILDCARD,), ReplicaState.ACTIVE)
        except OutboundError as error:
            self._failed(error)
        else:
            if offered is None:
                self._answered("does not list its models: any name is passed on to it")
                offered = (WILDCARD,)
            else:
                self._answered(f"offers {len(offered)} models")
            self._serve(self._configured or offered, ReplicaState.ACTIVE)

    def _answered(self, what: str) -> None:
        if self._failures or not self._replicas:
            log.info("upstream %s %s", self.name, what)
        self._failures = 0

    def _failed(self, error: OutboundError) -> None:
        self._failures += 1
        if self._failures == 1:
            log.warning("upstream %s: %s", self.name, error)
        if self._failures == FAILURES_TO_STANDBY and self._replicas:
            log.warning("upstream %s is on standby until it answers again", self.name)
            self._serve(tuple(self._replicas), ReplicaState.STANDBY)

    def _serve(self, names: Sequence[str], state: ReplicaState) -> None:
        """Announce replicas for `names`; those known keep their identity, so that their slots keep their count."""
        if set(names) == set(self._replicas) and all(r.state is state for r in self._replicas.values()):
            return
        replicas = {}
        for name in names:
            replica = self._replicas.get(name) or self._replica(name)
            replica.state = state
            replicas[name] = replica
        self._replicas = replicas
        self._announce(Served(self.name, tuple(replicas.values()), offered=tuple(names)))

    def _replica(self, name: str) -> Replica:
        return Replica(
            self.name if name == WILDCARD else f"{self.name}/{name}",
            model=name,
            upstream_model="" if name == WILDCARD else name,
            engine=self._engine,
            address=self._address,
            slots=self._slots,
            headers=self._headers,
            deadlines=self._deadlines,
            tls=self._tls,
            weight=self._weight,
        )


def names_in(answer: Any) -> tuple[str, ...] | None:
    """The model names in an OpenAI model list, sorted; None where `answer` is no such list."""
    entries = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        return None
    names = {
        entry["id"] for entry in entries[:MAX_MODELS] if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    }
    return tuple(sorted(name for name in names if name and name != WILDCARD))
