"""Folders of models, told without torch."""

import json
from pathlib import Path
from typing import Any

import pytest

from remuda.engines.transformers.folder import (
    FolderError,
    check_folder,
    context_of,
    embeds_text,
    is_model_folder,
    pooling_of,
    stamp_of_folder,
)
from tests.fixtures.converted import write_hollow, write_weights


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_hollow(tmp_path / "secretfolder" / "model")


def test_a_whole_model(folder: Path) -> None:
    assert is_model_folder(folder)
    check_folder(folder)
    assert not embeds_text(folder)
    assert pooling_of(folder) == "mean"


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_what_is_no_model(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    assert not is_model_folder(folder)
    assert not is_model_folder(folder / "nothing")


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("config.json", b"{", "config.json: is not valid JSON"),
        ("config.json", b"[]", "config.json: is no JSON object"),
        ("config.json", b"{}", "config.json: names no model_type"),
        ("model.safetensors", b"", "model.safetensors: is no safetensors file, or is cut off"),
        ("model.safetensors", b"<html>" * 20, "model.safetensors: is no safetensors file, or is cut off"),
        ("model.safetensors", (4).to_bytes(8, "little") + b"abcd", "model.safetensors: is no safetensors file"),
        ("model.safetensors", (9).to_bytes(8, "little") + b'{"a": [1]}', "model.safetensors: is no safetensors file"),
        ("model.safetensors.index.json", b"{}", "model.safetensors.index.json: names no files"),
        (
            "model.safetensors.index.json",
            b'{"weight_map": {"a": "model-00002.safetensors"}}',
            "model-00002.safetensors: is missing",
        ),
        (
            "model.safetensors.index.json",
            b'{"weight_map": {"a": "../../etc/passwd"}}',
            "model.safetensors.index.json: names a file outside the folder",
        ),
    ],
)
def test_a_broken_one_is_told_in_one_line(folder: Path, file: str, content: bytes, says: str) -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(FolderError) as caught:
        check_folder(folder)
    assert str(caught.value) == says


def test_weights_that_are_cut_off(folder: Path) -> None:
    write_weights(folder / "model.safetensors", size=4000, missing=1)
    with pytest.raises(FolderError, match=r"^model\.safetensors: the file is cut off: [\d,]+ bytes of [\d,]+"):
        check_folder(folder)


@pytest.mark.parametrize(
    ("config", "wanted", "expected"),
    [
        ({}, None, 4096),
        ({}, 9000, 9000),
        ({"max_position_embeddings": 2048}, None, 2048),
        ({"max_position_embeddings": 2048}, 512, 512),
        ({"max_position_embeddings": 2048}, 4096, 2048),
        ({"max_position_embeddings": 131072}, None, 4096),
        ({"n_positions": 1024}, None, 1024),
        ({"text_config": {"max_position_embeddings": 300}}, None, 300),
        ({"max_position_embeddings": None, "n_ctx": 100}, None, 100),
    ],
)
def test_contexts(config: dict[str, Any], wanted: int | None, expected: int) -> None:
    assert context_of(config, wanted) == expected


@pytest.mark.parametrize(
    ("architectures", "expected"),
    [
        (["GPT2LMHeadModel"], False),
        (["Gemma3ForConditionalGeneration"], False),
        (["BertModel"], True),
        (["LlamaModel"], True),
        (["BertForMaskedLM"], True),
        (None, False),
    ],
)
def test_which_models_give_vectors(folder: Path, architectures: list[str] | None, expected: bool) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "x", "architectures": architectures}))
    assert embeds_text(folder) is expected


def test_models_of_sentence_transformers_say_so(folder: Path) -> None:
    (folder / "modules.json").write_text("[]")
    assert embeds_text(folder)
    (folder / "1_Pooling").mkdir()
    for words, expected in (
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_lasttoken": True}, "last"),
        ({"pooling_mode_max_tokens": True}, "pooling_mode_max_tokens"),
        ({"word_embedding_dimension": 7}, "mean"),
    ):
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(words))
        assert pooling_of(folder) == expected


def test_a_stamp_tells_of_changes(folder: Path) -> None:
    before = stamp_of_folder(folder)
    assert stamp_of_folder(folder) == before
    write_weights(folder / "model.safetensors", size=80)
    assert stamp_of_folder(folder) != before
    assert stamp_of_folder(folder / "nothing") == (None,)
