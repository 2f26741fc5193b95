"""What a prompt asks of a model. What is refused is in `tests/acceptance/test_tasks.py`."""

from typing import Any

import msgspec
import pytest

from remuda.core.faults import InvalidRequest, Unavailable
from remuda.core.priority import Priority
from remuda.core.task import NewTask
from remuda.dialects.tasks.asks import Defaults, task_in


def task(
    body: Any, header_key: str | None = None, defaults: Defaults | None = None, first: str | None = "first"
) -> NewTask:
    return task_in(
        msgspec.json.encode(body),
        header_key,
        task_id="t",
        key_id="k",
        defaults=defaults or Defaults(),
        first_model=lambda: first,
        is_known=lambda model: model != "unknown",
    )


def test_a_prompt_is_a_chat():
    made = task({"prompt": "Hi", "user_id": "u", "webhook": "http://h/", "priority": "background"})
    assert (made.path, made.dialect, made.model, made.user_id, made.webhook, made.priority) == (
        "/v1/chat/completions",
        "tasks",
        "first",
        "u",
        "http://h/",
        Priority.BACKGROUND,
    )
    assert msgspec.json.decode(made.body) == {
        "model": "first",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 512,
        "temperature": 0.7,
        "top_p": 0.9,
        "stream": True,
        "stream_options": {"include_usage": True},
        "user": "u",
    }


def test_what_is_meant_where_nothing_is_said():
    defaults = Defaults("mine", 7, 0.1, 9.0)
    made = task({"prompt": "Hi"}, defaults=defaults)
    assert (made.model, made.time_limit_s) == ("mine", 9.0)
    chat = msgspec.json.decode(made.body)
    assert (chat["max_tokens"], chat["temperature"]) == (7, 0.1)
    chat = msgspec.json.decode(
        task({"prompt": "Hi", "temperature": 0, "max_tokens": 1, "model": "m"}, defaults=defaults).body
    )
    assert (chat["max_tokens"], chat["temperature"], chat["model"]) == (1, 0, "m")


def test_a_conversation_in_place_of_a_prompt():
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "x"}]}]
    assert msgspec.json.decode(task({"messages": messages}).body)["messages"] == messages


def test_idempotency_keys_in_body_and_header():
    assert task({"prompt": "x", "idempotency_key": "b"}, "h").idempotency_key == "b"
    assert task({"prompt": "x"}, "h").idempotency_key == "h"
    for odd in ("", "k" * 257):
        with pytest.raises(InvalidRequest):
            task({"prompt": "x"}, odd)


def test_without_any_model_nothing_is_accepted():
    with pytest.raises(Unavailable):
        task({"prompt": "x"}, first=None)
    with pytest.raises(InvalidRequest, match="unknown"):
        task({"prompt": "x", "model": "unknown"})
