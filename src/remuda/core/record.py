"""What the journal keeps of one request."""

from collections.abc import Sequence
from typing import Any, NamedTuple


class RequestRecord(NamedTuple):
    """One compact record per request, refused ones included. Times in seconds; text only where capture is on."""

    id: str
    """Request id: the client's own where it sent an acceptable one. Not unique by itself."""
    started_at: float
    """Wall clock, seconds since 1970."""
    dialect: str
    """The API it came by, such as `openai`."""
    operation: str
    """`chat`, `completion`, `embedding`, `response`, `rerank` or `count_tokens`; empty where the request came to no
    route."""
    model: str
    """Canonical model name; the client's word (bounded) where no such model is known; empty where none was read."""
    replica: str
    """Id of the last replica tried; empty where none was."""
    key_id: str
    """Id of the key, or `user:` and the name of a user; empty for a keyless local caller or a refused credential."""
    status: int
    """HTTP status of the answer; 499 where the client left first."""
    fault: str
    """Code of the fault that ended the request (also one in mid-stream); empty on success."""
    is_streamed: bool
    """Whether the answer was passed on as a stream."""
    attempts: int
    """How many times it was sent to a replica."""
    queue_wait_s: float
    """How long it waited for a free slot."""
    ttft_s: float | None
    """From the request's arrival to the first content passed to the client; None where none was."""
    duration_s: float
    """From the arrival of the whole request to the end of its answer."""
    prompt_tokens: int
    """Tokens of the prompt, as the engine counted them."""
    completion_tokens: int
    """Tokens of the answer, of all its choices together."""
    cached_tokens: int
    """Tokens of the prompt that the engine already held; part of `prompt_tokens`."""
    tokens_estimated: bool
    """Whether the token counts are the gateway's own estimate, because the engine named none."""
    bytes_in: int
    """The request's body as it was sent."""
    bytes_out: int
    """The answer as it was sent, head included."""
    finish_reason: str
    """The engine's word (stop, length, tool_calls ...); empty where the answer did not get that far."""
    user_id: str = ""
    """Whom the client asks for, by its own word (`user`, `metadata.user_id`), bounded; empty where it does not say."""
    temperature: float | None = None
    """As asked; None where the engine's own holds."""
    max_tokens: int | None = None
    """The bound asked for; None where there is none."""
    is_truncated: bool = False
    """Whether the engine saw less of the prompt than was sent."""
    cost_nano: int = 0
    """What it cost at the prices of its time, in 10^-9 of the currency's unit."""
    electricity_nano: int = 0
    """How much of that is for electricity: of what was measured, else by the hour."""
    energy_j: float | None = None
    """Joules it took by its share of the machine; None where no meter tells."""
    decisions: str | None = None
    """Why each attempt went where it went (JSON); none where there was nobody else to go to."""
    prompt_text: str | None = None
    """What was asked, its last `journal.content_max_chars` characters; none where content is not kept."""
    answer_text: str | None = None
    """What was answered, its first `journal.content_max_chars` characters."""
    parameters: str | None = None
    """How it was asked, without what was asked (JSON: the body's fields but the messages); none where content is not
    kept."""


def columns_of(records: Sequence[Any]) -> Any:
    """What some named tuples of one kind, one at least, hold: under each field's name the values of all of them, in
    their order. Where many are gone through, this is far quicker than field after field of each."""
    return type(records[0])._make(zip(*records, strict=True))


def without_text(record: RequestRecord) -> RequestRecord:
    """The record without what was asked and answered."""
    if record.prompt_text is None and record.answer_text is None:
        return record
    return record._replace(prompt_text=None, answer_text=None, parameters=None)


def bare_record(
    id_: str,
    *,
    dialect: str,
    model: str,
    key_id: str,
    user_id: str,
    status: int,
    fault: str,
    attempts: int,
    started_at: float,
    duration_s: float = 0.0,
    completion_tokens: int = 0,
) -> RequestRecord:
    """A record by one who did not see the request's way itself: what else there is to know, is not known."""
    return RequestRecord(
        id=id_,
        started_at=started_at,
        dialect=dialect,
        operation="",
        model=model,
        replica="",
        key_id=key_id,
        status=status,
        fault=fault,
        is_streamed=False,
        attempts=attempts,
        queue_wait_s=0.0,
        ttft_s=None,
        duration_s=duration_s,
        prompt_tokens=0,
        completion_tokens=completion_tokens,
        cached_tokens=0,
        tokens_estimated=True,
        bytes_in=0,
        bytes_out=0,
        finish_reason="",
        user_id=user_id,
    )
