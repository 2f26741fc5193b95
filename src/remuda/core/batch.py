"""A batch: a file of asks that are answered when there is time, and the files that such things are kept in."""

from enum import StrEnum
from typing import NamedTuple

from remuda.core.task import TaskState


class BatchState(StrEnum):
    """Where a batch stands, in the words of OpenAI's API."""

    VALIDATING = "validating"
    """Its file is looked through; nothing has been asked yet."""
    FAILED = "failed"
    """Its file is not what it must be, and nothing of it was asked."""
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    """Nothing more is asked; the last results are written down."""
    COMPLETED = "completed"
    EXPIRED = "expired"
    """Its time was over before all of it was answered."""
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self not in OPEN


OPEN = frozenset({BatchState.VALIDATING, BatchState.IN_PROGRESS, BatchState.FINALIZING, BatchState.CANCELLING})


class StoredFile(NamedTuple):
    """A file that is kept: what is known of it. Its content lies in the data folder of `place`."""

    id: str
    key_id: str
    """Whose it is; empty for the keyless local caller."""
    purpose: str
    filename: str
    """What its owner calls it; no path is made of it."""
    size_bytes: int
    created_at: float
    expires_at: float | None
    place: str
    """The data folder in which its content lies."""


class LineError(NamedTuple):
    """What is wrong with a batch's file."""

    code: str
    message: str
    line: int | None = None
    """From 1 on; None where it is the whole file."""
    param: str | None = None


class NewBatch(NamedTuple):
    """What is asked for when a batch is made."""

    id: str
    key_id: str
    endpoint: str
    """The route that answers every line of it."""
    input_file_id: str
    window_s: float
    """How long it may take."""
    metadata: dict[str, str] | None
    output_file_id: str
    """The file that answers will be in, if there are any."""
    error_file_id: str
    """The file that failures will be in, if there are any."""
    output_keep_s: float | None = None
    """How long those are kept; None: as long as others."""
    idempotency_key: str | None = None
    """Unique for each key: the same one again is the same batch."""


class Batch(NamedTuple):
    """A batch as it is kept. Times are wall clock, seconds since 1970."""

    seq: int
    """Grows from batch to batch."""
    id: str
    key_id: str
    state: BatchState
    ending: BatchState | None
    """What it will be when it is over; None as long as that is open."""
    endpoint: str
    input_file_id: str
    output_file_id: str
    error_file_id: str
    place: str
    """The data folder in which its files lie."""
    metadata: dict[str, str] | None
    errors: list[LineError]
    created_at: float
    expires_at: float
    in_progress_at: float | None
    finalizing_at: float | None
    cancelling_at: float | None
    ended_at: float | None
    output_keep_s: float | None
    total: int
    """Asks in its file."""
    completed: int
    failed: int
    input_bytes: int
    fed_bytes: int
    """How much of its file has been made into tasks."""
    fed_lines: int
    """How many lines of the file that are."""
    output_bytes: int
    """How much of the file of answers counts; what is beyond was being written when a process died."""
    error_bytes: int


class LineTask(NamedTuple):
    """A line of a batch on its way into the tasks."""

    id: str
    custom_id: str
    line: int
    model: str
    body: bytes


class FinishedLine(NamedTuple):
    """A line of a batch whose task is over."""

    seq: int
    id: str
    custom_id: str
    state: TaskState
    status: int
    result: bytes | None
    error_type: str
    error_message: str
