"""Files and batches as OpenAI's API has them."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Seconds = Annotated[int, Meta(ge=3600, le=2_592_000)]
MetaKey = Annotated[str, Meta(max_length=64)]
MetaValue = Annotated[str, Meta(max_length=512)]


class Expiry(msgspec.Struct):
    """How long a file is kept."""

    anchor: Literal["created_at"]
    seconds: Seconds


class FileObject(msgspec.Struct):
    """A file. Times in whole seconds since 1970."""

    id: str
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    object: str = "file"
    status: str = "processed"
    status_details: str | None = None


class FileList(msgspec.Struct):
    """Files."""

    data: list[FileObject]
    has_more: bool
    """Whether there are others after them; the last one's id is what to send as `after`."""
    first_id: str | None
    last_id: str | None
    object: str = "list"


class DeletedFile(msgspec.Struct):
    """A file that is no more."""

    id: str
    object: str = "file"
    deleted: bool = True


class NewBatchBody(msgspec.Struct):
    """A batch that is wanted."""

    input_file_id: str
    """A file with purpose `batch`: on each line `custom_id`, `method` (`POST`), `url` (the endpoint) and `body`."""
    endpoint: str
    """`/v1/chat/completions`, `/v1/completions`, `/v1/embeddings` or `/v1/responses`."""
    completion_window: str
    """`24h`."""
    metadata: Annotated[dict[MetaKey, MetaValue], Meta(max_length=16)] | None = None
    output_expires_after: Expiry | None = None


class Counts(msgspec.Struct):
    """How many requests there are, and what came of them so far."""

    total: int
    completed: int
    failed: int


class BatchError(msgspec.Struct):
    """What is wrong with a line of the file."""

    code: str
    message: str
    param: str | None
    line: int | None


class BatchErrors(msgspec.Struct):
    """What is wrong with the file."""

    data: list[BatchError]
    object: str = "list"


class BatchObject(msgspec.Struct):
    """A batch. Times in whole seconds since 1970."""

    id: str
    endpoint: str
    errors: BatchErrors | None
    input_file_id: str
    completion_window: str
    status: Literal[
        "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
    ]
    output_file_id: str | None
    """The answers, when it is over; null where there are none."""
    error_file_id: str | None
    """The failures, when it is over; null where there are none."""
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: Counts
    metadata: dict[str, Any] | None
    object: str = "batch"


class BatchList(msgspec.Struct):
    """Batches, newest first."""

    data: list[BatchObject]
    has_more: bool
    """Whether there are others after them; the last one's id is what to send as `after`."""
    first_id: str | None
    last_id: str | None
    object: str = "list"
