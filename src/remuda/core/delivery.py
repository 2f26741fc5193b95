"""A delivery: somebody elsewhere is told that a task is over, or something amiss, until they have heard it."""

from enum import StrEnum
from typing import NamedTuple, Protocol

from remuda.core.task import Task


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    DUE = "due"
    """It is sent when its time comes: at once at first, later and later after each attempt that failed."""
    SENDING = "sending"
    DELIVERED = "delivered"
    """Somebody answered with a status from 200 to 299."""
    GIVEN_UP = "given_up"
    """It was tried as often as it may be."""


class Claimed(Protocol):
    """A delivery of any kind that a sender has for as long as its lease lasts."""

    @property
    def seq(self) -> int:
        """Its number in its table."""
        ...

    @property
    def number(self) -> int:
        """With the sender it tells this claim from any other of the delivery."""
        ...

    @property
    def sender(self) -> str:
        """Who has it."""
        ...

    @property
    def attempt(self) -> int:
        """From 1 on."""
        ...

    @property
    def url(self) -> str:
        """Where it goes."""
        ...

    @property
    def origin(self) -> str:
        """The URL's scheme, host and port."""
        ...

    @property
    def message_id(self) -> str:
        """What it is called to the receiver: the same in each attempt, and no other message's."""
        ...

    @property
    def about(self) -> str:
        """What it is about, for the log."""
        ...


class ClaimedDelivery(NamedTuple):
    """That a task is over, claimed."""

    seq: int
    number: int
    """With the sender it tells this claim from any other of the delivery."""
    sender: str
    attempt: int
    """From 1 on."""
    url: str
    origin: str
    """Its scheme, host and port."""
    task: Task
    """As it ended."""
    text: str | None
    """The answer's text."""

    @property
    def message_id(self) -> str:
        """What it is called to the receiver: the same in each attempt, and no other message's."""
        return message_id(self.task.id, self.seq)

    @property
    def about(self) -> str:
        """What it is about, for the log."""
        return f"task {self.task.id}"


class ClaimedAlert(NamedTuple):
    """What came of a rule, claimed."""

    seq: int
    number: int
    sender: str
    attempt: int
    url: str
    """A webhook's, or `mailto:` and an address."""
    origin: str
    message_id: str
    rule_id: int
    text: str
    """What is told: JSON."""

    @property
    def about(self) -> str:
        """What it is about, for the log."""
        return f"alert rule {self.rule_id}"


class Sent(NamedTuple):
    """What came of one attempt."""

    is_delivered: bool
    status: int | None = None
    """What was answered; None where nothing was."""
    error: str = ""
    """What went wrong, in a sentence."""


class DeliveryEntry(NamedTuple):
    """What the log says of a delivery. Times are wall clock, seconds since 1970."""

    seq: int
    task_id: str
    url: str
    event: str
    """`task.completed` and so on."""
    state: DeliveryState
    attempts: int
    created_at: float
    sent_at: float | None
    """When the last attempt began."""
    delivered_at: float | None
    due_at: float
    """Due: when it is sent. Sending: when the sender's lease ends. Over: when it is forgotten."""
    status: int | None
    error: str

    @property
    def message_id(self) -> str:
        """What it is called to the receiver."""
        return message_id(self.task_id, self.seq)


def message_id(task_id: str, seq: int) -> str:
    """Unique also across stores, since a task's id is; without a full stop, which parts what is signed."""
    return f"msg_{task_id.replace('-', '').replace('.', '')}_{seq}"


class AlertDelivery(NamedTuple):
    """Who is to be told of what came of a rule."""

    message_id: str
    channel: str
    """Its name in the settings."""
    type: str
    """`alert.fired`, `alert.resolved` or `alert.test`."""
    url: str
    text: str
    """JSON."""


class AlertDeliveryEntry(NamedTuple):
    """What the log says of one. Times are wall clock, seconds since 1970."""

    seq: int
    message_id: str
    event_id: int | None
    rule_id: int
    type: str
    channel: str
    url: str
    state: DeliveryState
    attempts: int
    created_at: float
    sent_at: float | None
    delivered_at: float | None
    due_at: float
    status: int | None
    error: str
