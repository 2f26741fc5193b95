"""The policies by the names that settings have for them, with what the learning ones remember."""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from remuda.core.ask import Ask, Operation
from remuda.core.chance import Chance
from remuda.core.record import RequestRecord
from remuda.fleet.policies.least_active import least_active
from remuda.fleet.policies.lowest_latency import Latencies, lowest_latency
from remuda.fleet.policies.prefix_affinity import Prefixes, prefix_affinity, prefixes_of
from remuda.fleet.policies.round_robin import round_robin
from remuda.fleet.policies.weighted import weighted
from remuda.fleet.replica import Replica
from remuda.wire.texts import prompt_text

Policy = Callable[[Sequence[Replica], int], Replica]
"""Takes one of the candidates (never none), the model's turn given."""
AskPolicy = Callable[[Sequence[Replica], int, Ask, str], Replica]
"""The same, where it may matter what is asked, and by which request: its id is given last."""

PLAIN: Final[Mapping[str, Policy]] = MappingProxyType(
    {"least_active": least_active, "round_robin": round_robin, "weighted": weighted}
)
"""Those that go by the candidates and the turn alone."""

CONTINUED: Final = frozenset({Operation.CHAT, Operation.COMPLETION, Operation.RESPONSE})
"""Operations whose prompts engines keep, to go on from them."""
MAX_READ_BYTES: Final = 4 * 1024 * 1024
"""Larger bodies are not read for their prefixes: reading them would hold up everybody else."""


class Policies:
    """Every policy as one kind of function. Models share what is remembered: it is kept by replica."""

    def __init__(self, monotonic: Callable[[], float], chance: Chance) -> None:
        self._monotonic = monotonic
        self._chance = chance
        self._latencies = Latencies()
        self._prefixes = Prefixes()

    def named(self, name: str) -> AskPolicy:
        """The policy of that name."""
        match name:
            case "lowest_latency":
                return self._lowest_latency
            case "prefix_affinity":
                return self._prefix_affinity
            case _:
                policy = PLAIN[name]
                return lambda candidates, turn, ask, request_id: policy(candidates, turn)

    def learn(self, records: Sequence[RequestRecord]) -> None:
        """Take in finished requests: a sink of the recorder."""
        self._latencies.learn(records, self._monotonic())
        self._prefixes.learn(records)

    def failed(self, replica_id: str) -> None:
        """That replica has failed a request that is tried elsewhere, so that its record will not tell of it."""
        self._latencies.failed(replica_id, self._monotonic())

    def left(self, replica_ids: Collection[str]) -> None:
        """Those replicas are active no longer: if they come back, they may have been started anew."""
        self._prefixes.left(replica_ids)

    def _lowest_latency(self, candidates: Sequence[Replica], turn: int, ask: Ask, request_id: str) -> Replica:
        ttft_s = self._latencies.of(candidates, self._monotonic())
        return lowest_latency(candidates, turn, ttft_s, self._chance())

    def _prefix_affinity(self, candidates: Sequence[Replica], turn: int, ask: Ask, request_id: str) -> Replica:
        prompt = ""
        if ask.operation in CONTINUED and len(ask.body) <= MAX_READ_BYTES:
            prompt = prompt_text(ask.operation, ask.body)
        prefixes = prefixes_of(prompt)
        choice = prefix_affinity(candidates, turn, self._prefixes.holders(prefixes))
        # Noted now, not when the answer is through: what follows in the same conversation may come before that.
        self._prefixes.sent(prefixes, choice.id, request_id, len(prompt))
        return choice
