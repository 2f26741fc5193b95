"""Who waits for a model, and who is next: by class, fair between keys, in order of arrival within a key.

*Between classes* the higher one goes first, but a class that has waiters and has been passed over `STARVATION` times in
a row goes next. A rule that counts, rather than one that measures time, holds on slow and on fast models alike: of nine
slots that come free at least one goes down.

*Within a class* each key has a pass; the key with the lowest one is next, and pays for each slot with one over its
weight (stride scheduling; Waldspurger and Weihl, 1995). A key that comes back after a pause begins where the class
stands: nobody saves up turns. But it begins no earlier than where its last turn left it, or a key that has one request
waiting at a time would be new each time, and always next.

No operation looks at all who wait, but for the order as a whole, which is only asked for by those who are told it, and
made once for all who ask before something changes.
"""

import heapq
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from itertools import count
from typing import Final, Protocol

from remuda.core.faults import Fault
from remuda.core.priority import Priority

STARVATION: Final = 8
"""How often in a row a class with waiters is passed over."""
FEW: Final = 16
"""Stale entries that are not worth looking for."""


class Waiter(Protocol):
    """Somebody in the queue of a model."""

    @property
    def key_id(self) -> str:
        """Whose turn it takes."""
        ...

    @property
    def weight(self) -> float:
        """How many turns that key gets for one of another with weight 1."""
        ...

    @property
    def priority(self) -> Priority:
        """Its class."""
        ...

    @property
    def entered(self) -> float:
        """Monotonic time since which it waits."""
        ...

    @property
    def wants(self) -> Hashable:
        """Which servers will do for it: what one could not take is not for others either who want the same."""
        ...

    def wake(self) -> bool | None:
        """A slot may be free: take one. True where it did, False where none was one for it, None where it no longer
        wants any."""
        ...

    def fail(self, fault: Fault) -> None:
        """The model will not come."""
        ...


class _Class:
    """The waiters of one class."""

    __slots__ = (
        "_heap",
        "_lines",
        "_many_passes",
        "_numbers",
        "_numbers_back",
        "_passes",
        "_virtual",
        "size",
    )

    def __init__(self) -> None:
        self._lines: dict[str, OrderedDict[Waiter, None]] = {}
        """By key, each in order of arrival."""
        self._passes: dict[str, float] = {}
        """Of the keys that have waiters, and of those that were served lately."""
        self._many_passes = FEW
        """So many are looked through for those that need not be known any more."""
        self._heap: list[tuple[float, int, str]] = []
        """Their passes; entries that no longer say the truth are passed over."""
        self._numbers = count()
        self._numbers_back = count(-1, -1)
        """Of what is put back: the last goes before all others with the same pass."""
        self._virtual = 0.0
        """The pass of the key that was served last."""
        self.size = 0

    def add(self, waiter: Waiter) -> None:
        key = waiter.key_id
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = OrderedDict()
            turn = self._passes[key] = max(self._virtual, self._passes.get(key, 0.0))
            heapq.heappush(self._heap, (turn, next(self._numbers), key))
        line[waiter] = None
        self.size += 1

    def pop(self) -> Waiter:
        while True:
            turn, _, key = heapq.heappop(self._heap)
            line = self._lines.get(key)
            if line is not None and self._passes[key] == turn:
                break
        waiter, _ = line.popitem(last=False)
        self.size -= 1
        self._virtual = turn
        turn = self._passes[key] = turn + 1 / waiter.weight
        if line:
            heapq.heappush(self._heap, (turn, next(self._numbers), key))
        else:
            del self._lines[key]
        self._tidy()
        return waiter

    def put_back(self, waiter: Waiter) -> None:
        """It was its turn, and it could not take it: it stays first of its key, whose pass is given back."""
        key = waiter.key_id
        price = 1 / waiter.weight
        turn = self._passes.get(key, self._virtual + price) - price
        line = self._lines.setdefault(key, OrderedDict())
        line[waiter] = None
        line.move_to_end(waiter, last=False)
        self.size += 1
        self._passes[key] = turn
        heapq.heappush(self._heap, (turn, next(self._numbers_back), key))

    def take(self, waiter: Waiter) -> None:
        key = waiter.key_id
        turn = self._passes.get(key, self._virtual) + 1 / waiter.weight
        if self.discard(waiter) and self._lines:
            self._passes[key] = turn
            if key in self._lines:
                heapq.heappush(self._heap, (turn, next(self._numbers), key))

    def discard(self, waiter: Waiter) -> bool:
        line = self._lines.get(waiter.key_id)
        if line is None or waiter not in line:
            return False
        del line[waiter]
        self.size -= 1
        if not line:
            del self._lines[waiter.key_id]
        self._tidy()
        return True

    def order(self) -> Iterator[Waiter]:
        """In the order in which they would be served if nobody else came."""
        if len(self._lines) < 2:
            for line in self._lines.values():
                yield from line
            return
        lines = {key: iter(line) for key, line in self._lines.items()}
        left = {key: len(line) for key, line in self._lines.items()}
        heap, passes = list(self._heap), dict(self._passes)
        numbers = count(max((number for _, number, _ in heap), default=0) + 1)
        while heap:
            turn, _, key = heapq.heappop(heap)
            if not left.get(key) or turn != passes[key]:
                continue  # an entry that no longer says the truth
            waiter = next(lines[key])
            yield waiter
            left[key] -= 1
            if left[key]:
                passes[key] = turn + 1 / waiter.weight
                heapq.heappush(heap, (passes[key], next(numbers), key))

    def _tidy(self) -> None:
        """Forget what no longer says the truth, before there is much of it."""
        lines = self._lines
        if not lines:  # nobody waits, so nobody is before or behind another
            self._heap.clear()
            self._passes.clear()
            self._virtual = 0.0
            return
        if len(self._heap) > 2 * len(lines) + FEW:
            self._heap = [(self._passes[key], next(self._numbers), key) for key in lines]
            heapq.heapify(self._heap)
        if len(self._passes) > self._many_passes:
            now = self._virtual
            self._passes = {key: turn for key, turn in self._passes.items() if turn > now or key in lines}
            self._many_passes = 2 * len(self._passes) + FEW


class Queue:
    """The queue of one model."""

    __slots__ = ("_classes", "_passed_over", "_places")

    def __init__(self) -> None:
        self._classes: dict[Priority, _Class] = {}
        """Those that were ever needed."""
        self._passed_over = dict.fromkeys(Priority, 0)
        self._places: dict[Waiter, int] | None = None
        """Kept until something changes."""

    def __len__(self) -> int:
        return sum(each.size for each in self._classes.values())

    def sizes(self) -> dict[Priority, int]:
        """How many wait in each class; classes that were never needed are left out."""
        return {priority: each.size for priority, each in self._classes.items()}

    def add(self, waiter: Waiter) -> None:
        """At the end of its key's line."""
        self._places = None
        self._class(waiter.priority).add(waiter)

    def pop(self) -> Waiter:
        """The next one; LookupError where nobody waits."""
        self._places = None
        return self._classes[_next(self._passed_over, self.sizes())].pop()

    def put_back(self, waiter: Waiter) -> None:
        """Undo a `pop`: it could not take what it was woken for."""
        self._places = None
        self._class(waiter.priority).put_back(waiter)

    def take(self, waiter: Waiter) -> None:
        """It has been served before its turn, as nobody before it could be; its key pays as for any other."""
        self._places = None
        self._class(waiter.priority).take(waiter)

    def discard(self, waiter: Waiter) -> bool:
        """It no longer waits; False where it did not."""
        self._places = None
        of = self._classes.get(waiter.priority)
        return of is not None and of.discard(waiter)

    def clear(self) -> list[Waiter]:
        """All who wait, in their order, out of the queue."""
        everybody = list(self.order())
        self._classes.clear()
        self._places = None
        return everybody

    def order(self) -> Iterator[Waiter]:
        """All who wait, in the order in which they would be served if nobody else came. Looks at all of them."""
        lines = {priority: each.order() for priority, each in self._classes.items()}
        left, passed_over = self.sizes(), dict(self._passed_over)
        while True:
            waiting = [priority for priority, n in left.items() if n]
            if len(waiting) < 2:  # nobody to choose between; as a rule from the beginning
                break
            chosen = _next(passed_over, left)
            left[chosen] -= 1
            yield next(lines[chosen])
        for priority in waiting:
            yield from lines[priority]

    def places(self) -> Mapping[Waiter, int]:
        """Everybody's place in `order`; 1 is next. Looks at all, once for all who ask before something changes: a
        thousand may be told theirs in one go."""
        places = self._places
        if places is None:
            places = self._places = {waiter: place for place, waiter in enumerate(self.order(), 1)}
        return places

    def _class(self, priority: Priority) -> _Class:
        found = self._classes.get(priority)
        if found is None:
            found = self._classes[priority] = _Class()
        return found


def _next(passed_over: dict[Priority, int], sizes: Mapping[Priority, int]) -> Priority:
    """The class whose turn it is, of those with waiters; notes in `passed_over` which were not served though lower."""
    waiting = [priority for priority in Priority if sizes.get(priority)]
    if not waiting:
        raise LookupError("nobody waits")
    starving = [priority for priority in waiting if passed_over[priority] >= STARVATION]
    chosen = max(starving, key=passed_over.__getitem__) if starving else waiting[0]
    for priority in Priority:
        if priority is chosen or priority not in waiting:
            passed_over[priority] = 0
        elif priority > waiting[0]:
            passed_over[priority] += 1
    return chosen
