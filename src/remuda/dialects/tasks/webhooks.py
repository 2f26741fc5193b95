"""What a webhook says: the end of a task, in the words of the document's `/result`."""

from typing import Any

import msgspec

from remuda.core.delivery import ClaimedDelivery, DeliveryEntry, DeliveryState
from remuda.core.moments import iso_time
from remuda.core.task import TaskState
from remuda.dialects.tasks import schemas
from remuda.dialects.tasks.views import WORDS, error_message, error_type, metrics_of
from remuda.outbound.webhooks import shown_url


def message_of(delivery: ClaimedDelivery, now: float) -> bytes:
    """The body of a message. `timestamp` is when the task ended (or `now`, where that is not known)."""
    task = delivery.task
    data: dict[str, Any] = {
        "task_id": task.id,
        "status": WORDS[task.state],
        "state": task.state.value,
        "model": task.model,
        "user_id": task.user_id,
    }
    if task.state is TaskState.COMPLETED:
        data["result"] = delivery.text or ""
    else:
        data |= {"error_message": error_message(task), "error_type": error_type(task)}
    data["metrics"] = msgspec.to_builtins(metrics_of(task))
    ended = task.finished_at if task.finished_at is not None else now
    return msgspec.json.encode(
        {"id": delivery.message_id, "type": f"task.{task.state.value}", "timestamp": iso_time(ended), "data": data}
    )


def entry_shown(entry: DeliveryEntry) -> schemas.Delivery:
    """A delivery, as the log shows it."""
    return schemas.Delivery(
        id=entry.message_id,
        type=entry.event,
        url=shown_url(entry.url),
        state=entry.state.value,
        attempts=entry.attempts,
        created_at=entry.created_at,
        last_attempt_at=entry.sent_at,
        delivered_at=entry.delivered_at,
        next_attempt_at=entry.due_at if entry.state is DeliveryState.DUE else None,
        status=entry.status,
        error=entry.error or None,
    )
