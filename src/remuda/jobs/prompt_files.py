"""The prompts in a file of `/v1/files`: a line for each, as an object with `prompt` or `messages`, or of a batch."""

from pathlib import Path
from typing import Any, Final

import msgspec

from remuda.core.comparison import Prompt
from remuda.core.faults import InvalidRequest
from remuda.jobs.batch_content import read_lines

READ_BYTES: Final = 16 * 1024 * 1024
MAX_LINES: Final = 10_000
"""Empty ones included."""


class _Line(msgspec.Struct):
    prompt: str | None = None
    messages: list[dict[str, Any]] | None = None
    body: "_Line | None" = None


_decode: Final = msgspec.json.Decoder(_Line).decode


def prompts_in(path: Path, most: int) -> list[Prompt]:
    """What the file's lines ask, at most `most`; raises InvalidRequest, which names the line, OSError."""
    found: list[Prompt] = []
    for line in read_lines(path, 0, 0, MAX_LINES, READ_BYTES):
        if line.data == b"":
            continue
        if len(found) >= most:
            raise InvalidRequest(f"the file has more than {most} prompts", parameter="file_id")
        prompt = None if line.data is None else _prompt(line.data)
        if prompt is None:
            raise InvalidRequest(
                f"line {line.number} of the file is no object with a prompt or messages", parameter="file_id"
            )
        found.append(prompt)
    if not found:
        raise InvalidRequest("the file holds no prompt", parameter="file_id")
    return found


def _prompt(data: bytes) -> Prompt | None:
    try:
        line = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    asked = line.body or line
    return asked.prompt or asked.messages or None
