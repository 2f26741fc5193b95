"""What paths offer, and what is said of those that offer nothing."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from remuda.engines.files import (
    ModelFileError,
    check_model_file,
    model_name,
    offered_models,
    read_header,
    stamp_of,
)
from remuda.engines.launch import EngineKind, EngineSettings, LocalModel
from remuda.engines.tiny import CHAT, EMBED
from tests.fixtures.converted import write_hollow, write_weights
from tests.unit.wire.test_gguf import header, pair, text

MODEL = header(pair("general.architecture", 8, text(b"llama")))
PROJECTOR = header(pair("general.architecture", 8, text(b"clip")))
ADAPTER = header(pair("general.type", 8, text(b"adapter")))


def put(folder: Path, *names: str, content: bytes = MODEL) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return paths


def names(*paths: Path) -> list[str]:
    return [model.name for model in offered_models(paths).models]


def test_a_file_is_offered_under_its_name_with_the_settings_given(tmp_path: Path) -> None:
    (path,) = put(tmp_path, "Llama-3.2-1B-Q4_K_M.gguf")
    settings = EngineSettings(slots=7)
    offered = offered_models([path], settings)
    assert offered.models == [LocalModel("Llama-3.2-1B-Q4_K_M", path, settings)]
    assert offered.skipped == []


def test_the_shipped_models_are_offered() -> None:
    assert names(CHAT, EMBED) == ["remuda-tiny", "remuda-tiny-embed"]
    assert [header.pooling for header in check_model_file(EMBED)] == ["MEAN"]
    assert read_header(CHAT, until_vocabulary=False).has_chat_template is True


def test_a_folder_offers_all_models_below_it_once(tmp_path: Path) -> None:
    put(tmp_path, "b.gguf", "a.gguf", "deep/er/c.GGUF", "notes.txt", "a.gguf.part")
    put(tmp_path, "mmproj-a.gguf", "x/clip-model.gguf", content=PROJECTOR)
    put(tmp_path, "lora.gguf", content=ADAPTER)
    put(tmp_path, "bad.gguf", content=b"GGUF")
    put(tmp_path, "big-00001-of-00003.gguf", "big-00002-of-00003.gguf", "big-00003-of-00003.gguf")
    put(tmp_path, "torn-00001-of-00002.gguf")
    (tmp_path / "deep" / "loop").symlink_to(tmp_path)
    (tmp_path / "again.gguf").symlink_to(tmp_path / "b.gguf")
    (tmp_path / "dangling.gguf").symlink_to(tmp_path / "nowhere.gguf")
    (tmp_path / "self.gguf").symlink_to(tmp_path / "self.gguf")
    offered = offered_models([tmp_path])
    assert sorted(model.name for model in offered.models) == ["a", "again", "big", "c"]
    assert {Path(line.partition(": ")[0]).name for line in offered.skipped} == {
        "bad.gguf",
        "clip-model.gguf",
        "lora.gguf",
        "torn-00001-of-00002.gguf",
    }
    assert next(model.path.name for model in offered.models if model.name == "big") == "big-00001-of-00003.gguf"


def test_the_same_file_named_twice_is_offered_once(tmp_path: Path) -> None:
    (path,) = put(tmp_path, "a.gguf")
    assert names(path, path, tmp_path, tmp_path / ".." / tmp_path.name / "a.gguf") == ["a"]


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "x/a.gguf", "y/a.gguf")
    with pytest.raises(ModelFileError, match="would both be called a: rename one"):
        offered_models([tmp_path])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cut off"),
        (MODEL[:30], "cut off"),
        (b"import this", "not a GGUF file"),
        (PROJECTOR, "no model of its own"),
        (ADAPTER, "type adapter"),
    ],
)
def test_a_file_named_by_itself_must_be_a_model(tmp_path: Path, content: bytes, says: str) -> None:
    (path,) = put(tmp_path, "m.gguf", content=content)
    with pytest.raises(ModelFileError, match=says) as caught:
        offered_models([path])
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_missing_paths_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"nope\.gguf: no such file"):
        offered_models([tmp_path / "nope.gguf"])
    with pytest.raises(ModelFileError, match="no GGUF model in this folder"):
        offered_models([tmp_path])
    (tmp_path / "loop.gguf").symlink_to(tmp_path / "loop.gguf")
    with pytest.raises(ModelFileError, match=r"loop\.gguf: "):
        offered_models([tmp_path / "loop.gguf"])
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(ModelFileError, match="no ordinary file"):
        offered_models([tmp_path / "pipe.gguf"])


def test_a_folder_may_itself_be_a_model_in_transformers_format(tmp_path: Path) -> None:
    folder = write_hollow(tmp_path / "models" / "mine")
    (model,) = offered_models([folder], EngineSettings(slots=9), EngineSettings(slots=2)).models
    assert model == LocalModel("mine", folder, EngineSettings(slots=2), EngineKind.TRANSFORMERS)
    assert offered_models([folder, folder / ".." / "mine"]).models[0].settings.slots == 1
    with pytest.raises(ModelFileError, match=r"no config\.json with \*\.safetensors"):
        offered_models([tmp_path / "models"])  # the folder itself counts, not those below it
    write_weights(folder / "model.safetensors", size=100, missing=1)
    with pytest.raises(ModelFileError, match=r"mine: model\.safetensors: the file is cut off"):
        offered_models([folder])


def test_a_folder_with_gguf_files_offers_these_whatever_lies_beside_them(tmp_path: Path) -> None:
    folder = write_hollow(tmp_path / "mine")
    put(folder, "mine.gguf")
    (model,) = offered_models([folder]).models
    assert (model.name, model.engine) == ("mine", EngineKind.LLAMA_CPP)


@contextmanager
def without_root() -> Iterator[Path]:
    """A folder that everybody may enter, and no right to read all files: root lays that down for the while."""
    with tempfile.TemporaryDirectory(prefix="remuda-files-") as folder:
        Path(folder).chmod(0o755)
        is_root = os.geteuid() == 0
        owner = 65534 if is_root else os.geteuid()
        os.chown(folder, owner, -1)
        if is_root:
            os.seteuid(owner)
        try:
            yield Path(folder)
        finally:
            if is_root:
                os.seteuid(0)


def test_unreadable_files_and_folders_are_refused() -> None:
    with without_root() as folder:
        (path,) = put(folder, "shut/a.gguf")
        assert names(path) == ["a"]
        path.chmod(0)
        with pytest.raises(ModelFileError, match="permission denied"):
            offered_models([path])
        path.parent.chmod(0)
        with pytest.raises(ModelFileError, match="permission denied"):
            offered_models([path.parent])
        path.parent.chmod(0o755)


def test_parts_are_named_by_the_first_and_must_be_all_there(tmp_path: Path) -> None:
    first, second = put(tmp_path, "m-00001-of-00002.gguf", "m-00002-of-00002.gguf")
    assert names(first) == ["m"]
    with pytest.raises(ModelFileError, match=r"first part, m-00001-of-00002\.gguf"):
        offered_models([second])
    second.unlink()
    with pytest.raises(ModelFileError, match="part 2 of 2 is missing"):
        offered_models([first])


def test_a_file_with_too_few_weights_is_refused(tmp_path: Path) -> None:
    whole = CHAT.read_bytes()
    (path,) = put(tmp_path, "m.gguf", content=whole[:-200_000])
    with pytest.raises(ModelFileError, match=rf"m\.gguf: the file is cut off: {len(whole) - 200_000:,} bytes of "):
        offered_models([path])
    (tmp_path / "whole.gguf").write_bytes(whole)
    offered = offered_models([tmp_path])
    assert [model.name for model in offered.models] == ["whole"]
    assert [line for line in offered.skipped if "cut off" in line]


def test_each_part_must_have_its_weights(tmp_path: Path) -> None:
    put(tmp_path, "m-00001-of-00002.gguf")
    (second,) = put(tmp_path, "m-00002-of-00002.gguf", content=CHAT.read_bytes())
    assert names(tmp_path) == ["m"]
    second.write_bytes(CHAT.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match=r"m-00002-of-00002\.gguf: the file is cut off"):
        offered_models([tmp_path / "m-00001-of-00002.gguf"])


def test_a_stamp_tells_whether_any_file_of_a_model_has_changed(tmp_path: Path) -> None:
    first, second = put(tmp_path, "m-00001-of-00002.gguf", "m-00002-of-00002.gguf")
    stamp = stamp_of(first)
    assert stamp_of(first) == stamp
    os.utime(second, ns=(1, 1))
    assert stamp_of(first) != stamp
    second.unlink()
    assert stamp_of(first) == (stamp[0], None)
    assert stamp_of(tmp_path / "nope.gguf") == (None,)


@pytest.mark.parametrize(
    ("file", "name"),
    [("a.gguf", "a"), ("a.b.GGUF", "a.b"), ("a", "a"), ("a.bin", "a.bin"), ("a-00001-of-00002.gguf", "a")],
)
def test_names(file: str, name: str) -> None:
    assert model_name(Path("/x") / file) == name
