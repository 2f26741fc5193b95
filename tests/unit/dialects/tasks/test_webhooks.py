"""What a webhook says, and what the log says of it."""

from typing import Any

import msgspec

from remuda.core.delivery import ClaimedDelivery, DeliveryEntry, DeliveryState
from remuda.core.task import TaskState
from remuda.dialects.tasks.webhooks import entry_shown, message_of
from tests.unit.dialects.tasks.test_views import DONE


def said(state: TaskState, text: str | None = None, **values: Any) -> Any:
    delivery = ClaimedDelivery(3, 1, "s", 1, "http://h/", "http://h", DONE._replace(state=state, **values), text)
    return msgspec.json.decode(message_of(delivery, 10.0))


def test_an_answer():
    message = said(TaskState.COMPLETED, "Hello", finished_at=1_700_000_000.0)
    assert (message["type"], message["timestamp"]) == ("task.completed", "2023-11-14T22:13:20Z")
    assert (message["data"]["status"], message["data"]["result"]) == ("completed", "Hello")
    assert "error_type" not in message["data"]


def test_an_error():
    message = said(TaskState.DEAD, error_type="engine_down", error_message="it is down")
    assert message["type"] == "task.dead"
    assert message["data"]["status"] == "failed"
    assert (message["data"]["error_type"], message["data"]["error_message"]) == ("ModelLoadError", "it is down")
    assert "result" not in message["data"]


def entry(state: DeliveryState) -> DeliveryEntry:
    return DeliveryEntry(
        3, "a-b", "http://h/x?key=s", "task.dead", state, 2, 1.0, 2.0, None, 9.0, 500, "it answers 500"
    )


def test_the_log():
    shown = entry_shown(entry(DeliveryState.DUE))
    assert (shown.id, shown.url, shown.next_attempt_at, shown.error) == (
        "msg_ab_3",
        "http://h/x",
        9.0,
        "it answers 500",
    )
    assert entry_shown(entry(DeliveryState.GIVEN_UP)).next_attempt_at is None
