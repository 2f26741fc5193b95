"""The two models in the package are what the engines and the documentation say they are."""

from pathlib import Path

import gguf
import pytest

from remuda.engines import tiny

SHIPPED = [pytest.param(tiny.CHAT, tiny.CHAT_NAME, id="chat"), pytest.param(tiny.EMBED, tiny.EMBED_NAME, id="embed")]


def text(reader: gguf.GGUFReader, key: str) -> str:
    return reader.fields[key].contents()


@pytest.mark.parametrize(("path", "name"), SHIPPED)
def test_named_for_what_it_is(path: Path, name: str) -> None:
    reader = gguf.GGUFReader(path)
    assert path.stem == name
    assert text(reader, "general.name") == name
    assert text(reader, "general.architecture") == "llama"
    assert text(reader, "general.license") == "apache-2.0"


@pytest.mark.parametrize(("path", "name"), SHIPPED)
def test_a_gguf_of_about_a_megabyte(path: Path, name: str) -> None:
    assert path.read_bytes()[:4] == b"GGUF"
    assert 900_000 < path.stat().st_size < 1_300_000, name


@pytest.mark.parametrize(("path", "name"), SHIPPED)
def test_sizes_and_vocabulary(path: Path, name: str) -> None:
    fields = gguf.GGUFReader(path).fields
    assert fields["llama.context_length"].contents() == 2048
    assert fields["llama.embedding_length"].contents() == tiny.DIMENSIONS
    assert fields["tokenizer.ggml.pre"].contents() == "qwen2"
    assert fields["tokenizer.ggml.add_bos_token"].contents() is False
    tokens, types = fields["tokenizer.ggml.tokens"].contents(), fields["tokenizer.ggml.token_type"].contents()
    kind = dict(zip(tokens, types, strict=True))
    assert len(tokens) == fields["llama.vocab_size"].contents()
    assert kind["<|im_end|>"] == gguf.TokenType.CONTROL
    assert {kind["<think>"], kind["<tool_call>"]} == {gguf.TokenType.USER_DEFINED}, "the engine must print these"
    assert tokens[fields["tokenizer.ggml.eot_token_id"].contents()] == "<|im_end|>"


def test_the_chat_template_knows_tools_and_thinking() -> None:
    template = text(gguf.GGUFReader(tiny.CHAT), "tokenizer.chat_template")
    assert "enable_thinking" in template
    assert "tools" in template


def test_the_embedding_model_says_how_it_pools() -> None:
    assert gguf.GGUFReader(tiny.EMBED).fields["llama.pooling_type"].contents() == gguf.PoolingType.MEAN
    assert "llama.pooling_type" not in gguf.GGUFReader(tiny.CHAT).fields
