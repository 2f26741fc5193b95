"""Part of the step `route`: which candidate, where settings say more than that the least active one is taken."""

from collections.abc import Mapping, Sequence

from remuda.core.ask import Ask
from remuda.fleet.policies.named import AskPolicy
from remuda.fleet.registry import Model
from remuda.fleet.replica import Replica
from remuda.gateway.exchange import Exchange


class Chooser:
    """Chooses by each model's policy."""

    def __init__(self, policy: AskPolicy, by_model: Mapping[str, AskPolicy]) -> None:
        self._policy = policy
        self._by_model = by_model

    def choose(self, candidates: Sequence[Replica], model: Model, ask: Ask, exchange: Exchange) -> Replica:
        """One of `candidates`, of which there is at least one, each a replica of `model` with a free slot."""
        # The exchange has the name that counts also where a server takes any name and the model is the wildcard.
        policy = self._by_model.get(exchange.model, self._policy)
        return policy(candidates, model.turn, ask)
