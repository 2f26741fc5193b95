"""OpenAI-compatible servers elsewhere: what they offer is asked of them again and again."""

import logging
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

from remuda.core.address import Address
from remuda.core.chance import Chance
from remuda.core.clock import Clock
from remuda.core.node import NodeKind
from remuda.engines.protocol import Engine
from remuda.fleet.health import Health, HealthRules
from remuda.fleet.registry import WILDCARD, Asked, Asking, FleetChange, Served
from remuda.fleet.replica import Deadlines, Replica, ReplicaState, Slots
from remuda.outbound.http import NotJson, OutboundClient, OutboundError

log = logging.getLogger(__name__)

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
        is_drained: bool = False,
        deadlines: Deadlines,
        tls: ssl.SSLContext | None = None,
        weight: int = 1,
        announce: Callable[[FleetChange], None],
        recovered: Callable[[Slots, str], None] = lambda slots, name: None,
        clock: Clock,
        chance: Chance,
        rules: HealthRules,
    ) -> None:
        self.name = name
        self.kind: NodeKind | None = None
        """What kind of server it is; None: that is not known yet."""
        self.latency_s: float | None = None
        """How long it took to answer the last probe; None where it did not."""
        self.trouble = ""
        """Why it did not, in words."""
        self._address = address
        self._engine = engine
        self._client = client
        self._slots = Slots(slots)
        self._headers = headers
        self._configured = tuple(models)
        self._is_drained = is_drained
        self._deadlines = deadlines
        self._tls = tls
        self._weight = weight
        self._announce = announce
        self._recovered = recovered
        self._clock = clock
        self._chance = chance
        self._rules = rules
        self._replicas: dict[str, Replica] = {}
        self._health = Health()
        self._is_asking = False
        self._has_answered = False

    @property
    def state(self) -> ReplicaState:
        """How it stands, whether it offers anything or not."""
        if self._is_drained:
            return ReplicaState.DRAINING
        return ReplicaState.ACTIVE if self._has_answered and self._health.is_up else ReplicaState.STANDBY

    @property
    def models(self) -> tuple[str, ...]:
        """What it offers, or did when it last answered."""
        return tuple(name for name in self._replicas if name != WILDCARD)

    @property
    def slots(self) -> Slots:
        """Those of the server."""
        return self._slots

    def begin(self) -> None:
        """Announce what configuration names, before the server has been asked, or else that it is being asked."""
        if self._configured:
            self._serve(self._configured)
        else:
            self._is_asking = True
            self._announce(Asking(self.name))

    def drain(self, is_drained: bool = True) -> None:
        """Finish what runs and take nothing new from now on; False: take requests again."""
        self._is_drained = is_drained
        if self._replicas:
            self._serve(tuple(self._replicas))

    async def run(self) -> None:
        """Ask for ever. Survives every answer, every failure to get one, and whatever an answer does to those told."""
        while True:
            try:
                await self.ask()
            except Exception:  # a prober that has died leaves its server as it was for ever
                log.exception("upstream %s could not be asked", self.name)
                self._health = self._health.after(False, self._rules)
            await self._clock.sleep(self._health.next_probe_s(self._rules, self._chance))

    async def ask(self) -> None:
        """Ask the server once what it offers, and announce it."""
        try:
            await self._ask()
        finally:
            if self._is_asking:
                self._is_asking = False
                self._announce(Asked(self.name))

    async def _ask(self) -> None:
        started = self._clock.monotonic()
        try:
            offered = names_in(await self._client.get_json("/models"))
        except NotJson as error:
            self._answered((WILDCARD,), f"does not list its models ({error}): any name is passed on to it")
        except OutboundError as error:
            self._failed(str(error))
        except Exception as error:  # whatever it was, there was no answer: that counts as one failure
            if self._health == Health():
                log.exception("upstream %s could not be asked", self.name)
            self._failed(type(error).__name__)
        else:
            self.latency_s = self._clock.monotonic() - started
            if offered is None:
                self._answered((WILDCARD,), "does not list its models: any name is passed on to it")
            else:
                self._answered(offered, f"offers {len(offered)} models")

    def _answered(self, offered: Sequence[str], what: str) -> None:
        self.trouble = ""
        self._has_answered = True
        before, self._health = self._health, self._health.after(True, self._rules)
        if not before.is_up and not self._health.is_up:
            what = f"answers again and is on standby until it has done so {self._rules.successes} times in a row"
        if before != self._health or not self._replicas:
            log.info("upstream %s %s", self.name, what)
        if self._health.is_up and not before.is_up:
            self._recovered(self._slots, self.name)
        self._serve(self._configured or offered)

    def _failed(self, why: str) -> None:
        self.trouble, self.latency_s = why, None
        before, self._health = self._health, self._health.after(False, self._rules)
        if before == Health():
            log.warning("upstream %s: %s", self.name, why)
        if not self._health.is_up and self._replicas:
            if before.is_up:
                log.warning("upstream %s is on standby until it answers again", self.name)
            self._serve(tuple(self._replicas))

    def _serve(self, names: Sequence[str]) -> None:
        """Announce replicas for `names`; those known keep their identity, so that their slots keep their count."""
        state = ReplicaState.ACTIVE if self._health.is_up else ReplicaState.STANDBY
        if self._is_drained:
            state = ReplicaState.DRAINING  # whether it answers or not: what it finishes is its own business
        if set(names) == set(self._replicas) and all(r.state is state for r in self._replicas.values()):
            return
        replicas = {}
        for name in names:
            replica = self._replicas.get(name) or self._replica(name)
            replica.state = state
            replicas[name] = replica
        self._announce(Served(self.name, tuple(replicas.values()), offered=tuple(names)))
        self._replicas = replicas

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
