"""Which replicas have failed a request, and which of them may have it again.

Those that have not failed it come first. But where these are full, maybe with requests that hang, somebody who has met
two servers in trouble would wait for the third alone, while the first two are well again: so a server that was in
trouble with all it did (its breaker opened, or it was on standby), and has come out of that since, may be asked once
more. Not twice: it may be this very request that brings it down. That does not count as another replica tried: somebody
who went back to one that is not well after all would else be lost while another that is only busy could have served it.

A Remuda that has passed the request on is not asked at all: it would have answered if it could.
"""

from collections.abc import Collection, Iterator, Sequence

from remuda.core.faults import LoopDetected
from remuda.core.ids import PSEUDONYMS
from remuda.fleet.model import Model
from remuda.fleet.replica import Replica
from remuda.wire.via import Via


class Tried(Collection[Replica]):
    """The replicas that have failed one request, in order; one that failed it twice stands in it twice."""

    __slots__ = ("_failures", "_via")

    def __init__(self, before: Collection[Replica] = (), *failed: Replica, via: frozenset[str] = frozenset()) -> None:
        """Those of `failed` have failed it now, those of `before` already. `via`: the Remudas that it has come through,
        where `before` does not know them."""
        self._via: frozenset[str] = before._via if isinstance(before, Tried) else via
        self._failures: tuple[tuple[Replica, int], ...] = (
            *(before._failures if isinstance(before, Tried) else _now(before)),
            *_now(failed),
        )
        """Each with the number of times that its server had recovered by then."""

    def count(self, replica: Replica) -> int:
        """How often it has failed the request."""
        return sum(each is replica for each, _ in self._failures)

    @property
    def returns(self) -> int:
        """How many of these failures were of replicas that had recovered and were asked once more."""
        first: dict[Replica, int] = {}
        returned: set[Replica] = set()
        for each, recoveries in self._failures:
            if recoveries > first.setdefault(each, recoveries):
                returned.add(each)
        return len(returned)

    def bars(self, replica: Replica) -> bool:
        """Whether it has failed the request, or passed it on to us, and is not to have it again."""
        if self._via and self._has_passed(replica):
            return True
        by_then = [recoveries for each, recoveries in self._failures if each is replica]
        return len(by_then) > 1 or (len(by_then) == 1 and by_then[0] == replica.recoveries)

    def barred(self) -> Sequence[Replica]:
        """Those that are not to have it again; all others may be asked."""
        return [each for each, _ in self._failures if self.bars(each)]

    def only(self, failed: Collection[Replica]) -> "Tried":
        """The same request, as if no others than `failed` had failed it."""
        return Tried(failed, via=self._via)

    def _has_passed(self, replica: Replica) -> bool:
        return bool(replica.path) and replica.path[0] in self._via

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tried) and self._failures == other._failures and self._via == other._via

    def __hash__(self) -> int:
        return hash((self._failures, self._via))

    def __bool__(self) -> bool:
        return bool(self._failures or self._via)

    def __contains__(self, replica: object) -> bool:
        if self._via and isinstance(replica, Replica) and self._has_passed(replica):
            return True
        return any(each is replica for each, _ in self._failures)

    def __iter__(self) -> Iterator[Replica]:
        return (each for each, _ in self._failures)

    def __len__(self) -> int:
        return len(self._failures)


def passed(via: Via, model: Model) -> Collection[Replica]:
    """Where a request for `model` begins that has come through others: they are not asked. Raises LoopDetected where
    nobody else has the model."""
    if not any(hop.startswith(PSEUDONYMS) for hop in via.hops):
        return ()  # other proxies are nobody's upstream here
    tried = Tried(via=via.hops)
    if model.replicas and all(tried.bars(replica) for replica in model.replicas):
        raise LoopDetected(f"nobody has {model.name[:200]!r} here but those who have passed the request on already")
    return tried


def _now(replicas: Collection[Replica]) -> Iterator[tuple[Replica, int]]:
    return ((each, each.recoveries) for each in replicas)
