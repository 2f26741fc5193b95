"""What a submitted prompt asks of a model: an OpenAI chat, which every engine here speaks."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from remuda.core.faults import InvalidRequest, Unavailable
from remuda.core.priority import WORDS as PRIORITIES
from remuda.core.task import NewTask
from remuda.dialects.kit.bodies import decoded
from remuda.dialects.tasks.schemas import MAX_WORD, Generate

CHAT_PATH: Final = "/v1/chat/completions"
NAME: Final = "tasks"
NO_MODEL_RETRY_S: Final = 5

_decode: Final = msgspec.json.Decoder(Generate).decode


class Defaults(NamedTuple):
    """What is meant where a prompt does not say it."""

    model: str | None = None
    max_tokens: int = 512
    temperature: float = 0.7
    time_limit_s: float = 120.0


def task_in(
    body: bytes,
    header_key: str | None,
    *,
    task_id: str,
    key_id: str,
    defaults: Defaults,
    first_model: Callable[[], str | None],
    is_known: Callable[[str], bool],
) -> NewTask:
    """The task that `body` asks for; raises InvalidRequest, Unavailable. `header_key`: that of the header
    `Idempotency-Key`."""
    asked = decoded(_decode, body)
    messages: Any = asked.messages
    if messages is None:
        if asked.prompt is msgspec.UNSET or not asked.prompt.strip():
            raise InvalidRequest("prompt is required", parameter="prompt")
        messages = [{"role": "user", "content": asked.prompt}]
    elif asked.prompt is not msgspec.UNSET:
        raise InvalidRequest("either a prompt or messages, not both", parameter="messages")
    model = asked.model or defaults.model or first_model()
    if model is None:
        raise Unavailable("no model is offered here that could answer", retry_after_s=NO_MODEL_RETRY_S)
    if not is_known(model):
        raise InvalidRequest(f"there is no model called {model!r} here", parameter="model", received=model)
    key = asked.idempotency_key or header_key
    if key is not None and not 0 < len(key) <= MAX_WORD:
        raise InvalidRequest(f"an idempotency key has 1 to {MAX_WORD} characters", parameter="Idempotency-Key")
    chat = {
        "model": model,
        "messages": messages,
        "max_tokens": defaults.max_tokens if asked.max_tokens is None else asked.max_tokens,
        "temperature": defaults.temperature if asked.temperature is None else asked.temperature,
        "top_p": asked.top_p,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if asked.user_id:
        chat["user"] = asked.user_id
    return NewTask(
        id=task_id,
        key_id=key_id,
        dialect=NAME,
        path=CHAT_PATH,
        model=model,
        body=msgspec.json.encode(chat),
        user_id=asked.user_id or "",
        priority=PRIORITIES[asked.priority],
        idempotency_key=key,
        webhook=asked.webhook,
        time_limit_s=defaults.time_limit_s,
    )
