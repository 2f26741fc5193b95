"""Which policies are in use: as the settings say, until somebody changes that while the gateway runs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from remuda.core.chance import Chance
from remuda.core.model_names import by_either_name
from remuda.core.record import RequestRecord
from remuda.fleet.policies.named import PLAIN, Policies
from remuda.gateway.choose import LEAST_ACTIVE as DEFAULT
from remuda.gateway.choose import Chooser

LEARNING: Final = frozenset({"lowest_latency", "prefix_affinity"})
POLICY_NAMES: Final = (*PLAIN, *sorted(LEARNING))


class Choosing:
    """Holds the chooser that fits the policies in use; None while all is as usual and nothing needs to be looked up."""

    def __init__(
        self,
        policy: str,
        by_model: Mapping[str, str],
        *,
        affinity_header: str | None,
        is_explained: bool,
        monotonic: Callable[[], float],
        chance: Chance,
    ) -> None:
        self._policies = Policies(monotonic, chance)
        self._affinity_header = affinity_header.lower().encode() if affinity_header else None
        self._is_explained = is_explained
        self._told: list[Callable[[Chooser | None], None]] = []
        self.use(policy, by_model)

    def use(self, policy: str, by_model: Mapping[str, str]) -> None:
        """From now on `policy`, and others for some models. Raises ValueError for a name that is none."""
        self.check(policy, by_model)
        self.policy, self.by_model = policy, dict(by_model)
        names = {policy, *by_model.values()}
        self._is_learning = not LEARNING.isdisjoint(names)
        self.chooser = self._made(names)
        for tell in self._told:
            tell(self.chooser)

    @staticmethod
    def check(policy: str, by_model: Mapping[str, str]) -> None:
        """Raise ValueError for a name that is none."""
        for name in (policy, *by_model.values()):
            if name not in POLICY_NAMES:
                raise ValueError(f"there is no policy called {name[:100]!r}: they are {', '.join(POLICY_NAMES)}")

    def on_change(self, tell: Callable[[Chooser | None], None]) -> None:
        """Call `tell(chooser)` whenever another one is in use."""
        self._told.append(tell)

    def learn(self, records: Sequence[RequestRecord]) -> None:
        """Take in finished requests, where some policy goes by them: a sink of the recorder."""
        if self._is_learning:
            self._policies.learn(records)

    def left(self, replica_ids: Collection[str]) -> None:
        """Those replicas are active no longer: suits `Fleet.on_left`."""
        self._policies.left(replica_ids)

    def _made(self, names: set[str]) -> Chooser | None:
        if names == {DEFAULT} and self._affinity_header is None and not self._is_explained:
            return None
        policy, by_model = self.policy, by_either_name(self.by_model)
        return Chooser(
            self._policies.named(policy),
            {model: self._policies.named(name) for model, name in by_model.items()},
            named=lambda model: by_model.get(model, policy),
            affinity_header=self._affinity_header,
            is_explained=self._is_explained,
            on_failed=self._policies.failed if self._is_learning else None,
        )
