"""What the journal keeps of one request."""

from typing import NamedTuple


class RequestRecord(NamedTuple):
    """One compact record per request, refused ones included. Times in seconds; text only where capture is on."""

    id: str
    """Request id: the client's own where it sent an acceptable one. Not unique by itself."""
    started_at: float
    """Wall clock, seconds since 1970."""
    dialect: str
    operation: str
    model: str
    """Canonical model name; the client's word (bounded) where no such model is known; empty where none was read."""
    replica: str
    """Id of the last replica tried; empty where none was."""
    key_id: str
    """Id of the key; empty for a keyless local caller or a refused credential."""
    status: int
    """HTTP status of the answer; 499 where the client left first."""
    fault: str
    """Code of the fault that ended the request (also one in mid-stream); empty on success."""
    is_streamed: bool
    attempts: int
    """How many times it was sent to a replica."""
    queue_wait_s: float
    ttft_s: float | None
    """From the request's arrival to the first content passed to the client; None where none was."""
    duration_s: float
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    tokens_estimated: bool
    bytes_in: int
    bytes_out: int
    finish_reason: str
    """The engine's word (stop, length, tool_calls ...); empty where the answer did not get that far."""
    prompt_text: str | None = None
    answer_text: str | None = None
