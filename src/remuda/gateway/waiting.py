"""What those who wait are told: their place, how long it may take, and that they are not forgotten."""

from math import ceil, inf
from typing import TYPE_CHECKING, Final

from remuda.core.priority import Priority
from remuda.fleet.registry import Model

if TYPE_CHECKING:
    from remuda.gateway.route import Ticket

SMOOTHING: Final = 0.2
"""The share of the newest in the average time between two slots."""
MAX_RETRY_AFTER_S: Final = 600


def position_of(model: Model, ticket: "Ticket") -> int | None:
    """Its place in the queue of `model`, 1 is next; None for somebody who does not wait."""
    return model.waiting.places().get(ticket)


def eta_s(model: Model, position: int) -> int | None:
    """Whole seconds until a slot comes to that place, as it has gone so far; None where nothing has been seen yet, and
    where nobody serves the model at present: how fast it went before does not tell when somebody will."""
    if model.grant_s is None or not any(replica.is_routable for replica in model.replicas):
        return None
    return ceil(position * model.grant_s)


def note_grant(model: Model, now: float) -> None:
    """A slot came free for somebody who waited for `model`, at monotonic time `now`."""
    passed_s = now - model.granted_at
    model.granted_at = now
    before = model.grant_s
    model.grant_s = passed_s if before is None else before + SMOOTHING * (passed_s - before)


def retry_after(model: Model) -> int:
    """A whole number of seconds after which somebody new would have a slot; 1 to MAX_RETRY_AFTER_S.

    As it has gone so far; where nothing has been seen yet, one second more per slotful of waiters.
    """
    waiting = len(model.waiting)
    if model.grant_s is None:
        slots = sum(replica.slots.total for replica in model.replicas if replica.is_routable) or 1
        return max(1, min(60, waiting // slots))
    return max(1, min(MAX_RETRY_AFTER_S, ceil((waiting + 1) * model.grant_s)))


class KeepAlive:
    """Tells those who wait for a stream that they still do, in comments that clients of server-sent events pass over.

    The first one commits the answer to status 200: until then a client gets the true status of whatever goes wrong.
    """

    def __init__(self, after_s: float, every_s: float) -> None:
        """From `after_s` on, every `every_s` seconds; 0: never."""
        self._after_s = after_s
        self._every_s = every_s
        self._due: dict[Ticket, float] = {}
        self._next = inf
        """Nobody's time comes before: a thousand who wait are not looked at each time."""
        self.sent = 0
        """Comments so far."""

    def watch(self, ticket: "Ticket") -> None:
        """Somebody who wants a stream has begun to wait."""
        if self._after_s:
            waited_s = ticket.exchange.queue_wait_s
            self._due[ticket] = at = ticket.entered + max(0.0, self._after_s - waited_s)
            self._next = min(self._next, at)

    def unwatch(self, ticket: "Ticket") -> None:
        """They no longer wait."""
        self._due.pop(ticket, None)

    def sweep(self, now: float) -> None:
        """Say it to all whose time has come; called a few times a second."""
        if now < self._next:
            return
        due = [ticket for ticket, at in self._due.items() if at <= now]
        for ticket in due:
            self._due[ticket] = now + self._every_s
            model = ticket.model
            position = position_of(model, ticket)
            if position is not None and ticket.exchange.keep_alive_comment(comment(position, eta_s(model, position))):
                self.sent += 1
        self._next = min(self._due.values(), default=inf)


def comment(position: int, eta: int | None) -> bytes:
    """What somebody in that place is told: `: waiting position=3 eta=12`, a comment of HTML's server-sent events."""
    return b": waiting position=%d%b\n\n" % (position, b"" if eta is None else b" eta=%d" % eta)


def classes(model: Model) -> dict[str, int]:
    """How many wait in each class, by its word."""
    sizes = model.waiting.sizes()
    return {priority.word: sizes.get(priority, 0) for priority in Priority}
