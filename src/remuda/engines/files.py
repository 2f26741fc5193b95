"""From paths a user names to the local models they offer."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from remuda.engines.launch import EngineKind, EngineSettings, LocalModel, Stamp
from remuda.engines.llamacpp.facts import facts_of
from remuda.engines.transformers.folder import FolderError, check_folder, is_model_folder
from remuda.wire.gguf import GgufError, GgufHeader, read_gguf

MAX_DEPTH = 8
"""Of folders below one that is offered."""
MAX_FILES = 10_000
"""Looked at below one folder: enough for any collection, too few to crawl a whole disk by mistake."""

_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})")
_NO_MODEL_TYPES = frozenset({"adapter", "mmproj", "vocab", "imatrix"})
"""Words of `general.type` for files that cannot answer by themselves."""


class ModelFileError(Exception):
    """A path offers no model. The message is one line for the operator and names the path as it was given."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What a set of paths offers."""

    models: list[LocalModel]
    skipped: list[str] = field(default_factory=list)
    """One line for each file in a folder that could have been a model and is none, with the reason."""


def offered_models(
    paths: Iterable[Path], settings: EngineSettings | None = None, transformers: EngineSettings | None = None
) -> Offered:
    """The models at `paths`: GGUF files, and folders, which offer all GGUF files in and below them. A folder without
    any that is itself a model in transformers' format offers this one, with the settings `transformers`.

    A model in several parts is offered once, by its first part; projector files are left out. Each model is called as
    its file without the ending, or as its folder. Raises ModelFileError where a path is missing, unreadable or offers
    nothing, where what is named by itself is no readable model, and where two would have one name.
    """
    settings = settings or EngineSettings()
    found: dict[str, LocalModel] = {}
    skipped: list[str] = []
    for path in paths:
        if _is_folder(path):
            models = list(_usable_models(path, settings, skipped))
            if not models and is_model_folder(path):
                models = [folder_model(path, transformers)]
            if not models:
                raise ModelFileError(f"{path}: no GGUF model in this folder, and no config.json with *.safetensors")
        else:
            models = [file_model(path, settings)]
        for model in models:
            add_model(found, model)
    return Offered(list(found.values()), skipped)


def add_model(found: dict[str, LocalModel], model: LocalModel) -> None:
    """Put `model` among those `found`, by its name; ModelFileError where that is another's already."""
    other = found.setdefault(model.name, model)
    if other.path.resolve() != model.path.resolve():
        raise ModelFileError(f"{model.path} and {other.path} would both be called {model.name}: rename one")


def file_model(path: Path, settings: EngineSettings, name: str | None = None) -> LocalModel:
    """The model in the GGUF file `path`, with what its header says; ModelFileError as `check_model_file`.

    The header is read once, here: large vocabularies take a moment.
    """
    headers = check_model_file(path)
    return LocalModel(name or model_name(path), path, settings, facts=facts_of(headers, stamp_of(path), settings))


def folder_model(path: Path, settings: EngineSettings | None = None) -> LocalModel:
    """The model in transformers' format in the folder `path`, called as the folder; ModelFileError where it is none."""
    if not is_model_folder(path):
        raise ModelFileError(f"{path}: no folder with config.json and *.safetensors")
    try:
        check_folder(path)
    except FolderError as error:
        raise ModelFileError(f"{path}: {error}") from None
    name = path.resolve().name
    if not name.isprintable():
        raise ModelFileError(f"{str(path)!r}: a model's name cannot hold control characters")
    return LocalModel(name, path, settings or EngineSettings(slots=1), EngineKind.TRANSFORMERS)


def model_name(path: Path) -> str:
    """What a model in the file `path` is called: the file's name without ending and without the number of its part."""
    stem = path.name.removesuffix(path.suffix) if path.suffix.lower() == ".gguf" else path.name
    part = _PART.fullmatch(stem)
    return part["stem"] if part else stem


def check_model_file(path: Path) -> list[GgufHeader]:
    """The headers of all files of the model whose first or only one is `path`, where it can be offered and is all
    there; or a ModelFileError."""
    header = read_header(path)
    if _is_projector(path, header):
        kind = header.metadata.get("general.type", "mmproj")
        raise ModelFileError(f"{path}: holds no model of its own (it is of type {kind})")
    if not model_name(path).isprintable():
        raise ModelFileError(f"{str(path)!r}: a model's name cannot hold control characters")
    part = _PART.fullmatch(path.stem)
    if part is not None and int(part["number"]) != 1:
        raise ModelFileError(f"{path}: a model in parts is named by its first part, {_part(part, 1)}")
    files = files_of(path)
    for number, file in enumerate(files, 1):
        if not file.is_file():
            raise ModelFileError(f"{path}: its part {number} of {len(files)} is missing")
    return [_whole_header(file) for file in files]


def _whole_header(file: Path) -> GgufHeader:
    """A download that broke off has a whole header and too few weights: better said now than by the first request."""
    header = read_header(file, until_vocabulary=False)
    extent = header.extent or 0
    size = file.stat().st_size
    if size < extent:
        raise ModelFileError(f"{file}: the file is cut off: {size:,} bytes of {extent:,} are there")
    return header


def files_of(path: Path) -> list[Path]:
    """All files of the model whose first or only one is `path`, whether they exist or not."""
    part = _PART.fullmatch(path.stem)
    if part is None or int(part["number"]) != 1:
        return [path]
    return [path, *(path.parent / _part(part, number) for number in range(2, int(part["total"]) + 1))]


def stamp_of(path: Path) -> Stamp:
    """What tells whether any file of the model at `path` has changed."""
    return tuple(_stamp(file) for file in files_of(path))


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def read_header(path: Path, *, until_vocabulary: bool = True) -> GgufHeader:
    """The header of the GGUF file `path`; ModelFileError where it cannot be read."""
    try:
        if path.is_dir():
            raise ModelFileError(f"{path}: is a folder")
        if not path.is_file() and path.exists():
            raise ModelFileError(f"{path}: is no ordinary file")
        with path.open("rb") as file:
            return read_gguf(file.read, until_vocabulary=until_vocabulary)
    except OSError as error:
        raise ModelFileError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None
    except GgufError as error:
        raise ModelFileError(f"{path}: {error}") from None


def _part(part: re.Match[str], number: int) -> str:
    return f"{part['stem']}-{number:05}-of-{part['total']}.gguf"


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:  # a loop of links, or a folder above that may not be entered
        raise ModelFileError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None


def _is_projector(path: Path, header: GgufHeader) -> bool:
    return (
        "mmproj" in path.name.lower()
        or header.architecture == "clip"
        or header.metadata.get("general.type") in _NO_MODEL_TYPES
    )


def _usable_models(folder: Path, settings: EngineSettings, skipped: list[str]) -> Iterator[LocalModel]:
    for path in _files_below(folder):
        part = _PART.fullmatch(path.stem)
        if "mmproj" in path.name.lower() or (part is not None and int(part["number"]) != 1):
            continue
        try:
            model = file_model(path, settings)
        except ModelFileError as error:
            skipped.append(str(error))
        else:
            yield model


def _files_below(folder: Path) -> Iterator[Path]:
    """The GGUF files in `folder` and below, in order; links are followed, each real folder and file is met once."""
    seen: set[tuple[int, int]] = set()
    count = 0

    def is_new(path: Path | str) -> bool:
        try:
            status = os.stat(path)
        except OSError:
            return False
        identity = (status.st_dev, status.st_ino)
        is_first = identity not in seen
        seen.add(identity)
        return is_first

    def refuse(error: OSError) -> None:
        if error.filename == str(folder):
            raise ModelFileError(f"{folder}: {(error.strerror or 'cannot be read').lower()}") from None

    is_new(folder)
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        depth = len(Path(parent).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if depth < MAX_DEPTH and is_new(os.path.join(parent, name)))
        count += len(files)
        if count > MAX_FILES:
            raise ModelFileError(f"{folder}: more than {MAX_FILES} files are below this folder: name a smaller one")
        for name in sorted(files):
            path = Path(parent) / name
            if path.suffix.lower() == ".gguf" and is_new(path):
                yield path
