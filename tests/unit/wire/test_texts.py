"""What is kept of prompts and answers is words, whatever JSON they came in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.ask import Operation
from remuda.wire.texts import PARAMETERS_BYTES, answer_text, parameters_text, prompt_text


@pytest.mark.parametrize(
    ("operation", "body", "text"),
    [
        (
            Operation.CHAT,
            b'{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Why?"}]}',
            "system: Be brief.\n\nuser: Why?",
        ),
        (
            Operation.CHAT,
            b'{"messages":[{"role":"user","content":[{"type":"text","text":"What is it?"},{"type":"image_url"}]}]}',
            "user: What is it? [image_url]",
        ),
        (Operation.CHAT, b'{"messages":[{"role":"assistant","content":null,"tool_calls":[]}]}', "assistant: "),
        (Operation.COMPLETION, b'{"prompt":"A llama"}', "A llama"),
        (Operation.COMPLETION, b'{"prompt":["one","two"]}', "one\n\ntwo"),
        (Operation.RESPONSE, b'{"instructions":"Be kind.","input":"Hello"}', "Be kind.\n\nHello"),
        (
            Operation.RESPONSE,
            b'{"input":[{"role":"user","content":[{"type":"input_text","text":"Hi"}]}]}',
            "user: Hi",
        ),
        (Operation.EMBEDDING, b'{"input":["a","b"]}', "a\n\nb"),
        (Operation.RERANK, b'{"query":"q","documents":[]}', "q"),
        (Operation.COUNT_TOKENS, b'{"messages":[{"role":"user","content":"c"}]}', "user: c"),
        (Operation.CHAT, b"not JSON \xff", "not JSON \ufffd"),
    ],
)
def test_prompts(operation: Operation, body: bytes, text: str) -> None:
    assert prompt_text(operation, body) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            b'{"choices":[{"message":{"role":"assistant","content":"Yes."}},{"message":{"content":"No."}}]}',
            "Yes.\n\nNo.",
        ),
        (b'{"choices":[{"text":" is a camelid"}]}', " is a camelid"),
        (b'{"output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]}]}', "Hi"),
        (b'{"data":[{"embedding":[0.1]}]}', ""),
        (b'{"choices":[{"message":{"content":null}}]}', ""),
        (b"[]", ""),
        (b"\xff", ""),
    ],
)
def test_answers(body: bytes, text: str) -> None:
    assert answer_text(body) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["messages", "content", "text", "choices"]), inner),
)


@given(JSON)
def test_no_shape_is_too_odd(value: object) -> None:
    import json

    body = json.dumps(value).encode()
    for operation in Operation:
        prompt_text(operation, body)
    answer_text(body)


@pytest.mark.parametrize(
    ("operation", "body", "said"),
    [
        (Operation.CHAT, b'{"model":"m","messages":[],"temperature":0.5}', '{"model":"m","temperature":0.5}'),
        (Operation.COMPLETION, b'{"prompt":"p","n":2}', '{"n":2}'),
        (Operation.RESPONSE, b'{"input":"i","instructions":"s"}', "{}"),
        (Operation.RERANK, b'{"query":"q","documents":["d"],"top_n":1}', '{"top_n":1}'),
        (Operation.CHAT, b"[]", None),
        (Operation.CHAT, b"\xff", None),
    ],
)
def test_parameters(operation: Operation, body: bytes, said: str | None) -> None:
    assert parameters_text(operation, body) == said


def test_long_parameters_are_left_out() -> None:
    body = b'{"tools":"%b","seed":1}' % (b"x" * PARAMETERS_BYTES)
    assert parameters_text(Operation.CHAT, body) == '{"seed":1}'
