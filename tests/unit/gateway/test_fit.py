"""Whether an engine can have seen all of a prompt, said only where there is no doubt."""

import json
from typing import Any

import pytest

from remuda.core.ask import Ask, Operation
from remuda.core.usage import NO_USAGE, Usage
from remuda.gateway.fit import Fit, fit_of, least_tokens


def chat(words: int, **fields: Any) -> Ask:
    body = {"messages": [{"role": "user", "content": "wordy " * words}], **fields}
    return Ask(Operation.CHAT, "m", True, True, 1, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("", 0),
        ("one two  three\n\nfour", 4),
        ("=" * 1000, 1),
        ("    " * 100 + "x", 1),
        ("\u99f1" * 60, 10),
        ("\ud800", 1),
    ],
)
def test_no_prompt_has_fewer_tokens(text: str, least: int) -> None:
    assert least_tokens(text) == least


def test_what_is_not_looked_at() -> None:
    assert fit_of(chat(1000, picture="data:image/png;base64,AAAA"), 100) is None


def test_what_is() -> None:
    assert fit_of(chat(1000), 100) == Fit(1001, 100, True)  # its role is a word, too
    listed = Ask(Operation.COMPLETION, "m", True, True, 1, b'{"prompt":["a b c","d e f"],"x":"' + b"x" * 40 + b'"}', 2)
    assert fit_of(listed, 10) == Fit(6, 10, False)
    assert fit_of(Ask(Operation.EMBEDDING, "m", False, False, 1, b'{"input":["a b","c"]}' + b" " * 40), 10) == Fit(
        3, 10, False
    )


@pytest.mark.parametrize(
    ("fit", "usage", "is_truncated"),
    [
        (Fit(1000, 512, True), Usage(512), True),
        (Fit(1000, 512, True), Usage(256), True),
        (Fit(1000, 512, True), Usage(255), False),  # it may have kept the rest from before
        (Fit(1000, 512, True), Usage(1300), False),  # its context has grown
        (Fit(500, 512, True), Usage(460), False),  # it counts a little differently
        (Fit(500, 512, True), Usage(300), True),
        (Fit(1000, 512, True), NO_USAGE, True),
        (Fit(1000, 512, True), Usage(300, 5, is_estimated=True), True),
        (Fit(500, 512, True), NO_USAGE, False),
        (Fit(1000, 512, False), NO_USAGE, False),
        (Fit(1000, 512, False), Usage(400), True),
    ],
)
def test_what_counts(fit: Fit, usage: Usage, is_truncated: bool) -> None:
    assert fit.is_truncated(usage) is is_truncated
