"""Prompts in a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from remuda.core.faults import InvalidRequest
from remuda.jobs.prompt_files import prompts_in

HI = [{"role": "user", "content": "Hi"}]


def a_file(folder: Path, *lines: Any) -> Path:
    path = folder / "prompts.jsonl"
    path.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    return path


def test_what_a_line_may_be(tmp_path: Path):
    path = a_file(tmp_path, {"prompt": "Hi"}, {"messages": HI}, {"custom_id": "1", "body": {"messages": HI}})
    path.write_bytes(path.read_bytes() + b"\n  \n")
    assert prompts_in(path, 3) == ["Hi", HI, HI]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([{"prompt": "Hi"}, {"prompt": ""}], "line 2 of the file is no object"),
        (["Hi"], "line 1 of the file is no object"),
        ([{"prompt": 7}], "line 1"),
        ([{"body": {}}], "line 1"),
        ([{"prompt": "x" * 1_100_000}], "line 1"),
        ([{"prompt": "Hi"}] * 4, "more than 3 prompts"),
        ([], "holds no prompt"),
    ],
)
def test_what_none_may_be(tmp_path: Path, lines: list[Any], said: str):
    with pytest.raises(InvalidRequest, match=said):
        prompts_in(a_file(tmp_path, *lines), 3)
