"""What is sent and answered, as document S2 writes it; what it does not have says so."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

MAX_PROMPT: int = 10_000
"""Characters."""
MAX_TOKENS: int = 2048
MAX_WORD: int = 256

Word = Annotated[str, Meta(min_length=1, max_length=MAX_WORD)]


class Message(msgspec.Struct):
    """One message of a conversation (beyond S2)."""

    role: Literal["system", "user", "assistant", "tool"]
    content: Any


class Generate(msgspec.Struct):
    """A prompt to be answered later."""

    prompt: Annotated[str, Meta(max_length=MAX_PROMPT)] | UnsetType = UNSET
    """What is asked. Required, unless there are `messages`."""
    max_tokens: Annotated[int, Meta(ge=1, le=MAX_TOKENS)] | None = None
    """How long the answer may become; 512, unless `tasks.max_tokens` says otherwise."""
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    """0.7, unless `tasks.temperature` says otherwise."""
    top_p: Annotated[float, Meta(ge=0, le=1)] = 0.9
    user_id: Annotated[str, Meta(max_length=MAX_WORD)] | None = None
    """Who it is for, in your words: `/tasks` finds it by that."""
    model: Word | None = None
    """Beyond S2: the model that is asked; else `tasks.model`, else the first that chats."""
    messages: Annotated[list[Message], Meta(min_length=1, max_length=1000)] | None = None
    """Beyond S2: a whole conversation in place of the prompt."""
    priority: Literal["normal", "low", "background"] = "normal"
    """Beyond S2: which tasks come first. All come after requests that somebody waits for."""
    idempotency_key: Word | None = None
    """Beyond S2: the same key again gets the same task, however often it is sent."""
    webhook: Annotated[str, Meta(min_length=1, max_length=2048)] | None = None
    """Beyond S2: a URL that is told when the task is over, by a signed POST."""


class Accepted(msgspec.Struct):
    """The task is taken in, and will not be lost."""

    status: str
    task_id: str
    message: str


class Status(msgspec.Struct, omit_defaults=True):
    """How a task stands."""

    status: Literal["queued", "processing", "completed", "failed"]
    task_id: str
    message: str
    state: str
    """Beyond S2: the exact state, `delayed`, `dead` and `cancelled` among them."""
    attempts: int
    progress: int | None = None
    """Tokens of the answer so far."""
    position: int | None = None
    """Among those that wait for the same model; 1 is next."""
    eta_seconds: float | None = None
    """About how long until it begins, as it went so far."""


class Metrics(msgspec.Struct):
    """How long it took, in seconds, and what it used."""

    queue_wait_time: float
    processing_time: float
    total_time: float
    prompt_tokens: int
    completion_tokens: int
    tokens_per_second: float


class Completed(msgspec.Struct):
    """The answer."""

    status: str
    task_id: str
    result: str
    metrics: Metrics


class Failed(msgspec.Struct):
    """Why there is no answer."""

    status: str
    task_id: str
    error_message: str
    error_type: str


class TaskRow(msgspec.Struct, omit_defaults=True):
    """A task in a list. Times in seconds since 1970."""

    task_id: str
    state: str
    model: str
    priority: str
    user_id: str
    created_at: float
    attempts: int
    started_at: float | None = None
    finished_at: float | None = None
    progress: int | None = None
    error_type: str | None = None
    error_message: str | None = None


class TaskList(msgspec.Struct):
    """Tasks, newest first."""

    tasks: list[TaskRow]
    next: str | None
    """What to send as `cursor` for those that follow; null at the end."""


class Delivery(msgspec.Struct):
    """How it went to tell a webhook that the task is over. Times in seconds since 1970."""

    id: str
    """The message's, as in its header `webhook-id`."""
    type: str
    """`task.completed`, `task.failed`, `task.dead` or `task.cancelled`."""
    url: str
    """Without its query."""
    state: Literal["due", "sending", "delivered", "given_up"]
    attempts: int
    created_at: float
    last_attempt_at: float | None
    delivered_at: float | None
    next_attempt_at: float | None
    status: int | None
    """What was answered to the last attempt; null where nothing was."""
    error: str | None
    """What was wrong with it."""


class DeliveryList(msgspec.Struct):
    """The deliveries of a task, newest first: one for each time it was over."""

    deliveries: list[Delivery]


class RefusedTask(msgspec.Struct):
    """What is wrong with a request."""

    error: str
    status_code: int
