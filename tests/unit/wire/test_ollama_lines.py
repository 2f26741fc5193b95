"""What lines of Ollama's answers tell."""

import pytest

from remuda.core.usage import Usage
from remuda.wire.ollama_lines import UNKNOWN_LINE, LineFacts, facts_of_line


@pytest.mark.parametrize(
    ("line", "facts"),
    [
        (b'{"message":{"role":"assistant","content":"hi"},"done":false}', LineFacts(has_content=True, text="hi")),
        (b'{"response":"hi","done":false}', LineFacts(has_content=True, text="hi")),
        (b'{"message":{"content":"","thinking":"hm"},"done":false}', LineFacts(has_content=True)),
        (b'{"response":"","thinking":"hm","done":false}', LineFacts(has_content=True)),
        (b'{"message":{"content":"","tool_calls":[{"function":{}}]}}', LineFacts(has_content=True)),
        (b'{"message":{"role":"assistant","content":""},"done":false}', LineFacts()),
        (
            b'{"response":"","done":true,"done_reason":"length","prompt_eval_count":3,"eval_count":5}',
            LineFacts(finish_reason="length", usage=Usage(3, 5), is_done=True),
        ),
        (b'{"done":true}', LineFacts(finish_reason="stop", is_done=True)),
        (b'{"embeddings":[[1.5]],"prompt_eval_count":2}', LineFacts(usage=Usage(2, 0))),
        (b'{"error":"broken"}', LineFacts(is_error=True)),
        (b'{"error":"broken","done":true}', LineFacts(finish_reason="stop", is_error=True)),
        (b"nonsense", UNKNOWN_LINE),
        (b'{"message":"odd"}', UNKNOWN_LINE),
        (b"\xff", UNKNOWN_LINE),
    ],
)
def test_facts_of_a_line(line: bytes, facts: LineFacts) -> None:
    assert facts_of_line(line) == facts
