"""Part of the step `route`: which candidate, where settings say more than that the least active one is taken."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from remuda.core.ask import Ask
from remuda.core.decision import SESSION, in_words
from remuda.fleet.policies.named import AskPolicy
from remuda.fleet.policies.session_affinity import home_of
from remuda.fleet.registry import Model
from remuda.fleet.replica import Replica
from remuda.gateway.decide import note
from remuda.gateway.exchange import Exchange

log = logging.getLogger(__name__)

LEAST_ACTIVE: Final = "least_active"
"""The policy where settings say nothing."""
MAX_SESSION_BYTES: Final = 256
"""A longer value is no name of a session: it is passed over."""


class Chooser:
    """Chooses by each model's policy; before that, where a header names sessions, by the session."""

    def __init__(
        self,
        policy: AskPolicy,
        by_model: Mapping[str, AskPolicy],
        *,
        named: Callable[[str], str] = lambda model: LEAST_ACTIVE,
        affinity_header: bytes | None = None,
        is_explained: bool = False,
        on_failed: Callable[[str], None] | None = None,
    ) -> None:
        self._policy = policy
        self._by_model = by_model
        self._named = named
        """What a model's policy is called."""
        self._affinity_header = affinity_header
        """In lower case, as an exchange has its fields."""
        self._is_explained = is_explained
        """Whether each choice is told in the log."""
        self._on_failed = on_failed
        """Is told the id of a replica that has failed a request which is now tried again."""

    def choose(self, candidates: Sequence[Replica], model: Model, ask: Ask, exchange: Exchange) -> Replica:
        """One of `candidates`, of which there is at least one, each a replica of `model` with a free slot."""
        if exchange.attempts and self._on_failed is not None and not exchange.has_begun:
            self._on_failed(exchange.replica)
        choice = self._home(candidates, model, exchange) if self._affinity_header is not None else None
        by = SESSION
        if choice is None:
            # The exchange has the name that counts also where a server takes any name and the model is the wildcard.
            policy = self._by_model.get(exchange.model, self._policy)
            choice = policy(candidates, model.turn, ask, exchange.id)
            by = self._named(exchange.model)
        if len(candidates) > 1 or exchange.attempts or self._is_explained:
            decision = note(exchange, by, choice, candidates)
            if self._is_explained:
                log.debug("request %s: %s", exchange.id, in_words(decision))
        return choice

    def _home(self, candidates: Sequence[Replica], model: Model, exchange: Exchange) -> Replica | None:
        """Where the exchange's session is at home, if it names one and its home is a candidate."""
        session = exchange.fields.get(self._affinity_header or b"")
        if not session or len(session) > MAX_SESSION_BYTES:
            return None
        # Of all that are routable: where home is full the load shall decide, not who would be home without it.
        home = home_of(session, [replica for replica in model.replicas if replica.is_routable])
        return home if home in candidates else None
