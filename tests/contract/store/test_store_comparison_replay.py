"""Prompts that are stored, to be asked again."""

from typing import Any

import pytest
from tests.contract.store.samples import NOON, a_record

from remuda.store import Store
from remuda.store.comparison_replay import prompt_from, stored_prompts
from remuda.store.journal_batch import Batch, write_batches


async def test_which_are_asked_again(store: Store):
    kept: list[dict[str, Any]] = [
        {"prompt_text": "first"},
        {"prompt_text": "user: second"},
        {"prompt_text": "user: of another model", "model": "other"},
        {"prompt_text": "user: failed", "fault": "engine_down"},
        {"prompt_text": "user: compared", "dialect": "comparisons"},
        {"prompt_text": "a completion", "operation": "completion"},
        {"prompt_text": "user: " + "x" * 34},
        {"prompt_text": "user: " + "x" * 100},
        {"prompt_text": "user: a picture [image_url]"},
        {"prompt_text": None, "answer_text": "said"},
        {"prompt_text": "user: third"},
    ]
    records = [a_record(number, **values) for number, values in enumerate(kept)]
    await write_batches(store, [Batch("w", 1, records)], NOON, is_durable=True)

    async def asked(last: int) -> list[str]:
        found = await stored_prompts(store, "remuda-tiny", last, cut_chars=40, max_chars=50)
        return [prompt if isinstance(prompt, str) else prompt[-1]["content"] for prompt in found]

    assert await asked(10) == ["first", "second", "third"]
    assert await asked(2) == ["second", "third"]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("user: Hi", [("user", "Hi")]),
        ("system: Be brief\n\nuser: Hi\n\nthere", [("system", "Be brief"), ("user", "Hi\n\nthere")]),
        ("user: Hi\n\nassistant: Hello\n\nuser: Bye", [("user", "Hi"), ("assistant", "Hello"), ("user", "Bye")]),
        ("user: Hi\n\nassistant: Hello", None),
        ("user: Hi\n\ntool: 7\n\nuser: So?", None),
        ("the end of something\n\nuser: Hi", None),
        ("Hi", "Hi"),
        ("my key is ***", None),
        (" ", None),
        ("user: see [input_audio]", None),
    ],
)
def test_the_messages_in_a_stored_text(text: str, messages: list[tuple[str, str]] | str | None):
    wanted = [{"role": role, "content": said} for role, said in messages] if isinstance(messages, list) else messages
    assert prompt_from(text) == wanted
