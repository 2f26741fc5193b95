"""The model files that the settings offer."""

from pathlib import Path

import pytest

from remuda.app.model_files import find_model_files, gguf_problem, model_name

GGUF = b"GGUF\x03\x00\x00\x00"


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(GGUF)


def test_a_folder_offers_all_models_in_it(tmp_path: Path) -> None:
    make(tmp_path, "b.gguf", "sub/A-Q4_K_M.GGUF", "mmproj-b.gguf", ".hidden.gguf", "notes.txt")
    make(tmp_path, "big-00001-of-00002.gguf", "big-00002-of-00002.gguf")
    assert [file.name for file in find_model_files([tmp_path])] == ["b", "big", "A-Q4_K_M"]


def test_a_file_may_have_any_ending_and_counts_once(tmp_path: Path) -> None:
    make(tmp_path, "a.gguf", "blob")
    files = find_model_files([tmp_path / "blob", tmp_path / "a.gguf", tmp_path])
    assert [(file.name, file.path.name) for file in files] == [("blob", "blob"), ("a", "a.gguf")]


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "x/a.gguf", "y/a.gguf")
    with pytest.raises(ValueError, match="two files offer a model called a"):
        find_model_files([tmp_path])


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nope\.gguf does not exist"):
        find_model_files([tmp_path / "nope.gguf"])


def test_a_dot_in_a_name_is_no_ending() -> None:
    assert model_name(Path("llama-3.2-1b")) == "llama-3.2-1b"
    assert model_name(Path("llama-3.2-1b.gguf")) == "llama-3.2-1b"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (GGUF + b"rest", None),
        (b"GGUF\x02\x00\x00\x00", None),
        (b"", "is empty"),
        (b"GG", "is not a GGUF file"),
        (b"<html>", "is not a GGUF file"),
        (b"GGUF\x03", "is cut short"),
        (b"GGUF\x09\x00\x00\x00", "is GGUF of version 9, which is not understood"),
    ],
)
def test_what_can_be_a_model(tmp_path: Path, content: bytes, problem: str | None) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(content)
    assert gguf_problem(path) == problem


def test_what_cannot_be_opened_is_no_model(tmp_path: Path) -> None:
    assert gguf_problem(tmp_path) == "is a folder"
    assert gguf_problem(tmp_path / "nope") == "cannot be read: No such file or directory"
