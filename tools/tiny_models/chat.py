"""The chat format: one Jinja template, for the training text and in the GGUF, so that both are the same."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

TEMPLATE = Path(__file__).with_name("chat.jinja")

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
"""Tokens that steer the engine and are never printed. The first pads, the last ends a turn."""
PRINTED = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
"""Tokens of the format that the engine must print: its chat parser looks for them in the text."""

ASSISTANT = re.compile(r"(?<=<\|im_start\|>assistant\n).*?<\|im_end\|>", re.DOTALL)
OPEN_THOUGHT = "<think>\n"
"""Opened by the template where thinking is asked for, so never predicted by the model."""


@dataclass(slots=True)
class Talk:
    """One training conversation, in the words of the chat API."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] = field(default_factory=list)


def render(talk: Talk, *, generation: bool = False, thinking: bool = False) -> str:
    """The text that the engine would show the model for this conversation."""
    return _template().render(
        messages=talk.messages,
        tools=talk.tools or None,
        add_generation_prompt=generation,
        enable_thinking=thinking,
    )


def spans(text: str) -> Iterator[tuple[str, bool]]:
    """The text cut into pieces, each with whether the model is to learn to say it. Text without a turn is all said."""
    at = len(text) if CONTROL[1] not in text else 0
    if at:
        yield text, True
    for turn in ASSISTANT.finditer(text):
        start = turn.start()
        if text.startswith(OPEN_THOUGHT, start):
            start += len(OPEN_THOUGHT)
        yield text[at:start], False
        yield text[start : turn.end()], True
        at = turn.end()
    if at < len(text):
        yield text[at:], False


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=False)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8").strip())
