"""The model files that the settings offer: which there are, what they are called, and whether they can be any."""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PART = re.compile(r"(?P<name>.+)-(?P<number>\d{5})-of-\d{5}")
"""A model split over several files is loaded by the name of its first."""
GGUF_VERSIONS = (2, 3)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file that is offered."""

    name: str
    """The model's name: the file's, without `.gguf` and without the number of a part."""
    path: Path


def find_model_files(paths: Iterable[Path]) -> list[ModelFile]:
    """The files among `paths`, and all `.gguf` files below the folders among them, in a stable order.

    Left out of folders: later parts of split models, and image projectors (`mmproj`), which are no models. A file
    named twice counts once. Raises ValueError, in one sentence, for a path that does not exist and for two files of
    one name; OSError where a folder cannot be read.
    """
    by_name: dict[str, ModelFile] = {}
    seen: set[Path] = set()
    for path in _files(paths):
        if (real := path.resolve()) in seen:
            continue
        seen.add(real)
        file = ModelFile(model_name(path), path)
        if file.name in by_name:
            raise ValueError(f"two files offer a model called {file.name}: {by_name[file.name].path} and {path}")
        by_name[file.name] = file
    return list(by_name.values())


def model_name(path: Path) -> str:
    """What the model in the file `path` is called."""
    stem = path.name[: -len(".gguf")] if path.name.lower().endswith(".gguf") else path.name
    part = _PART.fullmatch(stem)
    return part["name"] if part else stem


def gguf_problem(path: Path) -> str | None:
    """Why `path` cannot be a GGUF model, in words that follow its name; None where its first bytes look right."""
    try:
        if path.is_dir():
            return "is a folder"
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    if head[:4] != b"GGUF":
        return "is empty" if not head else "is not a GGUF file"
    if len(head) < 8:
        return "is cut short"
    (version,) = struct.unpack("<I", head[4:])
    return None if version in GGUF_VERSIONS else f"is GGUF of version {version}, which is not understood"


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(found for found in path.rglob("*") if _is_offered(found))
        elif path.exists():
            yield path
        else:
            raise ValueError(f"{path} does not exist")


def _is_offered(path: Path) -> bool:
    name = path.name.lower()
    part = _PART.fullmatch(name.removesuffix(".gguf"))
    is_later_part = part is not None and int(part["number"]) > 1
    return name.endswith(".gguf") and not name.startswith(("mmproj", ".")) and not is_later_part and path.is_file()
