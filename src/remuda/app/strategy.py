"""Who gets a request, changed while the gateway runs and kept in the store."""

import json
import logging
from collections.abc import Mapping
from typing import Final

from remuda.app.settings import RoutingSettings
from remuda.core.clock import Clock
from remuda.gateway.choosing import Choosing
from remuda.store.database import Store
from remuda.store.overrides import read_overrides, set_override

log = logging.getLogger(__name__)

POLICY: Final = "routing.policy"
POLICIES: Final = "routing.policies"
MAX_MODELS: Final = 1000
MAX_NAME_CHARS: Final = 200


class KeptStrategy:
    """What the settings say, and what was changed since; satisfies `remuda.dialects.nodes.herd.Strategy`."""

    def __init__(self, routing: RoutingSettings, choosing: Choosing, store: Store, clock: Clock) -> None:
        self._routing = routing
        self._choosing = choosing
        self._store = store
        self._clock = clock
        self.changed_at = clock.wall()

    @property
    def policy(self) -> str:
        """The policy of models without one of their own."""
        return self._choosing.policy

    @property
    def by_model(self) -> Mapping[str, str]:
        """Those of other models."""
        return self._choosing.by_model

    async def renew(self) -> int:
        """Take in what the store holds; returns the revision it was read at. Raises StoreError."""
        revision, found = await read_overrides(self._store)
        policy: str = self._routing.policy
        by_model: dict[str, str] = {str(model): name for model, name in self._routing.policies.items()}
        if POLICY in found:
            policy = json.loads(found[POLICY].value)
        if POLICIES in found:
            by_model = json.loads(found[POLICIES].value)
        if (policy, by_model) != (self.policy, dict(self.by_model)):
            try:
                self._choosing.use(policy, by_model)
            except ValueError as error:  # of a later version
                log.error("what the store says of policies is passed over: %s", error)
        changes = [found[name].changed_at for name in (POLICY, POLICIES) if name in found]
        self.changed_at = max(changes, default=self.changed_at)
        return revision

    async def set(self, policy: str | None, by_model: Mapping[str, str] | None) -> None:
        """Change them, for all gateways on this store; None leaves as it is. Raises ValueError for a name that is none,
        StoreError."""
        if by_model is not None and (
            len(by_model) > MAX_MODELS or any(len(name) > MAX_NAME_CHARS for name in by_model)
        ):
            raise ValueError(f"at most {MAX_MODELS} models with names of at most {MAX_NAME_CHARS} characters")
        self._choosing.check(policy or self.policy, by_model or {})
        now = self._clock.wall()
        if policy is not None:
            await set_override(self._store, POLICY, json.dumps(policy), now)
        if by_model is not None:
            await set_override(self._store, POLICIES, json.dumps(dict(by_model)), now)
        await self.renew()
