"""Part of the step `route`: which candidate, where settings say more than that the least active one is taken."""

from collections.abc import Mapping, Sequence
from typing import Final

from remuda.core.ask import Ask
from remuda.fleet.policies.named import AskPolicy
from remuda.fleet.policies.session_affinity import home_of
from remuda.fleet.registry import Model
from remuda.fleet.replica import Replica
from remuda.gateway.exchange import Exchange

MAX_SESSION_BYTES: Final = 256
"""A longer value is no name of a session: it is passed over."""


class Chooser:
    """Chooses by each model's policy; before that, where a header names sessions, by the session."""

    def __init__(
        self, policy: AskPolicy, by_model: Mapping[str, AskPolicy], *, affinity_header: bytes | None = None
    ) -> None:
        self._policy = policy
        self._by_model = by_model
        self._affinity_header = affinity_header
        """In lower case, as an exchange has its fields."""

    def choose(self, candidates: Sequence[Replica], model: Model, ask: Ask, exchange: Exchange) -> Replica:
        """One of `candidates`, of which there is at least one, each a replica of `model` with a free slot."""
        if self._affinity_header is not None:
            session = exchange.fields.get(self._affinity_header)
            if session and len(session) <= MAX_SESSION_BYTES:
                # Home is among all that are routable: else a full replica's sessions would move for good each time.
                home = home_of(session, [replica for replica in model.replicas if replica.is_routable])
                if home is not None and home in candidates:
                    return home
        # The exchange has the name that counts also where a server takes any name and the model is the wildcard.
        policy = self._by_model.get(exchange.model, self._policy)
        return policy(candidates, model.turn, ask)
