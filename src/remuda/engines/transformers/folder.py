"""What lies in the folder of a model in transformers' format, told without torch and without running anything.

Sources: the files that `save_pretrained` writes (config.json, *.safetensors with or without an index); the header of
safetensors (8 bytes of length, little-endian, then JSON); modules.json and 1_Pooling/config.json of
sentence-transformers.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from remuda.engines.launch import DEFAULT_CONTEXT, Stamp

CONFIG: Final = "config.json"
INDEX: Final = "model.safetensors.index.json"
MAX_JSON_BYTES: Final = 64 * 1024 * 1024
_CONTEXT_WORDS: Final = ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "seq_length")
"""What architectures call the length they were trained for."""
_SPEAKS: Final = ("CausalLM", "LMHead", "ConditionalGeneration")
"""In the name of an architecture that gives text."""
_POOLINGS: Final = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
}


class FolderError(Exception):
    """The folder holds no model that can be loaded. One line, which names files but no folders."""


def is_model_folder(path: Path) -> bool:
    """Whether `path` is a folder with a model in transformers' format."""
    try:
        return (path / CONFIG).is_file() and (any(path.glob("*.safetensors")) or (path / INDEX).is_file())
    except OSError:
        return False


def check_folder(path: Path) -> None:
    """Raise FolderError where the model in `path` cannot be loaded: better said now than by the first request."""
    if not _json(path / CONFIG).get("model_type"):
        raise FolderError(f"{CONFIG}: names no model_type")
    for file in _weights(path):
        if not file.is_file():
            raise FolderError(f"{file.name}: is missing")
        _check_extent(file)


def stamp_of_folder(path: Path) -> Stamp:
    """What tells whether any file of the model in `path` has changed."""
    try:
        files = sorted(file for file in path.iterdir() if file.is_file())
    except OSError:
        return (None,)
    return tuple((status.st_size, status.st_mtime_ns) for status in (file.stat() for file in files))


def context_of(config: Mapping[str, Any], wanted: int | None) -> int:
    """Tokens of one slot: the user's word, at most what the model was trained for; without one DEFAULT_CONTEXT."""
    inner = config.get("text_config")
    words = {**config, **inner} if isinstance(inner, dict) else config
    trained = next((words[word] for word in _CONTEXT_WORDS if isinstance(words.get(word), int)), None)
    context = wanted or DEFAULT_CONTEXT
    return context if trained is None else min(context, trained)


def embeds_text(path: Path) -> bool:
    """Whether the model in `path` is one for vectors: one of sentence-transformers, or of no architecture that
    speaks."""
    if (path / "modules.json").is_file():
        return True
    named = _json(path / CONFIG).get("architectures") or []
    return not any(word in str(name) for name in named for word in _SPEAKS) if named else False


def pooling_of(path: Path) -> str:
    """How token vectors become one: `mean`, `cls`, `last`; or the word of another way, which is not offered."""
    file = path / "1_Pooling" / CONFIG
    if not file.is_file():
        return "mean"
    words = [name for name, is_on in _json(file).items() if name.startswith("pooling_mode_") and is_on is True]
    return _POOLINGS.get(words[0], words[0]) if len(words) == 1 else ("+".join(words) or "mean")


def _weights(path: Path) -> Iterator[Path]:
    index = path / INDEX
    if not index.is_file():
        yield from sorted(path.glob("*.safetensors"))
        return
    files = _json(index).get("weight_map")
    if not isinstance(files, dict):
        raise FolderError(f"{INDEX}: names no files")
    for name in sorted({str(name) for name in files.values()}):
        if Path(name).name != name:
            raise FolderError(f"{INDEX}: names a file outside the folder")
        yield path / name


def _check_extent(file: Path) -> None:
    """A download that broke off has a whole header and too few weights."""
    size = file.stat().st_size
    with file.open("rb") as content:
        length = int.from_bytes(content.read(8), "little")
        if size < 8 or length > min(size, MAX_JSON_BYTES):
            raise FolderError(f"{file.name}: is no safetensors file, or is cut off")
        try:
            header = json.loads(content.read(length))
            end = max(
                (tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"), default=0
            )
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
            raise FolderError(f"{file.name}: is no safetensors file") from None
    if size < 8 + length + end:
        raise FolderError(f"{file.name}: the file is cut off: {size:,} bytes of {8 + length + end:,} are there")


def _json(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > MAX_JSON_BYTES:
            raise FolderError(f"{file.name}: is too long")
        value = json.loads(file.read_bytes())
    except OSError as error:
        raise FolderError(f"{file.name}: {(error.strerror or 'cannot be read').lower()}") from None
    except (ValueError, RecursionError):
        raise FolderError(f"{file.name}: is not valid JSON") from None
    if not isinstance(value, dict):
        raise FolderError(f"{file.name}: is no JSON object")
    return value
