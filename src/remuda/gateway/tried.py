"""Which replicas have failed a request, and which of them may have it again.

Those that have not failed it come first. But where these are full, maybe with requests that hang, somebody who has met
two servers in trouble would wait for the third alone, while the first two are well again: so a server that was in
trouble with all it did (its breaker opened, or it was on standby), and has come out of that since, may be asked once
more. Not twice: it may be this very request that brings it down. That does not count as another replica tried: somebody
who went back to one that is not well after all would else be lost while another that is only busy could have served it.
"""

from collections.abc import Collection, Iterator, Sequence

from remuda.fleet.replica import Replica


class Tried(Collection[Replica]):
    """The replicas that have failed one request, in order; one that failed it twice stands in it twice."""

    __slots__ = ("_failures",)

    def __init__(self, before: Collection[Replica] = (), *failed: Replica) -> None:
        """Those of `failed` have failed it now, those of `before` already."""
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
        """Whether it has failed the request, and is not to have it again."""
        by_then = [recoveries for each, recoveries in self._failures if each is replica]
        return len(by_then) > 1 or (len(by_then) == 1 and by_then[0] == replica.recoveries)

    def barred(self) -> Sequence[Replica]:
        """Those that are not to have it again; all others may be asked."""
        return [each for each, _ in self._failures if self.bars(each)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tried) and self._failures == other._failures

    def __hash__(self) -> int:
        return hash(self._failures)

    def __contains__(self, replica: object) -> bool:
        return any(each is replica for each, _ in self._failures)

    def __iter__(self) -> Iterator[Replica]:
        return (each for each, _ in self._failures)

    def __len__(self) -> int:
        return len(self._failures)


def _now(replicas: Collection[Replica]) -> Iterator[tuple[Replica, int]]:
    return ((each, each.recoveries) for each in replicas)
