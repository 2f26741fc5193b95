import pytest

from remuda.engines.llamacpp.chunks import decode_chunk, is_event, plain_text

BEGIN = b'data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"'
END = b'"}}],"created":1,"id":"x","object":"chat.completion.chunk"}\n\n'


@pytest.mark.parametrize("text", [b" llama", "é🦙".encode(), b"}]", b"created:"])
def test_an_event_of_mere_text_is_read_at_a_glance(text: bytes):
    assert plain_text(BEGIN + text + END) == text


@pytest.mark.parametrize(
    "data",
    [
        BEGIN + END,
        BEGIN + b'a\\"}}],\\"created\\":' + END,
        BEGIN + b'a","logprobs":"b' + END,
        BEGIN + b"a" + END + BEGIN + b"b" + END,
        BEGIN + b"a" + END[:-1],
        BEGIN + b"a",
        BEGIN.replace(b"0", b"1") + b"a" + END,
        b"data: [DONE]\n\n",
        b"",
    ],
)
def test_all_else_has_to_be_read(data: bytes):
    assert plain_text(data) == b""


def test_what_is_read_of_an_event():
    chunk = decode_chunk((BEGIN + b"a\\n" + END)[6:-2])
    assert [(each.index, each.delta.content, each.finish_reason) for each in chunk.choices] == [(0, "a\n", None)]
    progress = decode_chunk(b'{"choices":[],"prompt_progress":{"total":9,"cache":4,"processed":9}}').prompt_progress
    assert progress is not None
    assert (progress.total, progress.cache) == (9, 4)


@pytest.mark.parametrize(
    ("rest", "whole"),
    [(b'data: {"a":1}', True), (b"data: [DONE]\n", True), (b'data: {"a":', False), (b": comment", False), (b"", False)],
)
def test_whether_a_rest_is_an_event(rest: bytes, whole: bool):
    assert is_event(rest) is whole
