"""A task: an ask that is accepted now and answered later, whatever dies in between."""

from enum import StrEnum
from typing import NamedTuple

from remuda.core.priority import Priority
from remuda.core.record import RequestRecord


class TaskState(StrEnum):
    """Where a task stands."""

    QUEUED = "queued"
    """It may begin as soon as its turn comes."""
    DELAYED = "delayed"
    """An attempt failed; the next may begin when a while has passed."""
    RUNNING = "running"
    """A worker has it, until its lease ends."""
    COMPLETED = "completed"
    FAILED = "failed"
    """It cannot be answered, and trying again would not help."""
    DEAD = "dead"
    """It was tried as often as it may be, and failed each time."""
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it, unless somebody asks for it to be tried again."""
        return self not in UNDER_WAY

    @property
    def is_waiting(self) -> bool:
        """Whether nobody works on it at present."""
        return self in (TaskState.QUEUED, TaskState.DELAYED)


UNDER_WAY = frozenset({TaskState.QUEUED, TaskState.DELAYED, TaskState.RUNNING})


class NewTask(NamedTuple):
    """What is submitted."""

    id: str
    """A UUID."""
    key_id: str
    """Whose it is; empty for the keyless local caller."""
    dialect: str
    """The API it was submitted to."""
    path: str
    """The lane's route that takes the body, such as `/v1/chat/completions`."""
    model: str
    """As the body names it."""
    body: bytes
    """The request's body for that route."""
    user_id: str = ""
    """Who it is for, in the submitter's words."""
    priority: Priority = Priority.BACKGROUND
    idempotency_key: str | None = None
    """Unique for each key: the same one again is the same task."""
    webhook: str | None = None
    """Where its end is told."""
    time_limit_s: float = 120.0
    """How long one attempt may take."""


class Task(NamedTuple):
    """A task as it is kept. Times are wall clock, seconds since 1970."""

    seq: int
    """Grows from task to task."""
    id: str
    state: TaskState
    priority: Priority
    model: str
    key_id: str
    user_id: str
    dialect: str
    path: str
    webhook: str | None
    time_limit_s: float
    created_at: float
    started_at: float | None
    """When its last attempt began."""
    finished_at: float | None
    due_at: float
    """Delayed: when it may be tried again. Running: when its lease ends. Over: when it is forgotten."""
    claims: int
    """How often a worker has taken it."""
    attempts: int
    """How often it was tried: not counted is what it gave up to make room for others."""
    progress: int
    """Tokens so far of a running one, as last heard; of a completed one, all."""
    prompt_tokens: int
    error_type: str
    error_message: str


class Claim(NamedTuple):
    """A task that a worker has, for as long as it keeps the lease."""

    id: str
    number: int
    """With the worker it tells this claim from any other of the task."""
    worker: str
    attempt: int
    """From 1 on. Fewer than claims, where the task has made room for others."""
    key_id: str
    user_id: str
    dialect: str
    path: str
    model: str
    body: bytes
    priority: Priority
    time_limit_s: float
    created_at: float
    started_at: float


class Ending(NamedTuple):
    """How a task ended."""

    state: TaskState
    result: bytes | None = None
    """The answer's body."""
    text: str | None = None
    """The text in it."""
    status: int = 0
    """HTTP status of the answer."""
    error_type: str = ""
    error_message: str = ""
    record: RequestRecord | None = None
    """What the journal keeps of the attempt that ended it."""


class Progress(NamedTuple):
    """What a worker tells of a task it has."""

    id: str
    claim: int
    tokens: int


class TaskResult(NamedTuple):
    """What came of a task."""

    task: Task
    text: str | None
    result: bytes | None
    status: int
