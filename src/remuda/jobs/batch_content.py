"""Batch files on disk: the input read in pieces, the results written so that a crash leaves no half and no double."""

import os
from pathlib import Path
from typing import Final, NamedTuple

from remuda.jobs.batch_lines import MAX_LINE_BYTES
from remuda.jobs.files import sync_folder, write_all

BOM: Final = b"\xef\xbb\xbf"
SKIP_BYTES: Final = 64 * 1024


class LostContent(Exception):
    """Content that was on disk is no longer there."""


class RawLine(NamedTuple):
    """A line as it stands in the file."""

    number: int
    """From 1 on."""
    end: int
    """Where the next one begins."""
    data: bytes | None
    """Without its break; None where it is too long."""


def read_lines(path: Path, offset: int, number: int, max_lines: int, max_bytes: int) -> list[RawLine]:
    """Lines from `offset` on, where the one after line `number` begins: at most `max_lines`, and not many more bytes
    than `max_bytes`. Empty ones have no data. Nothing at the end of the file. Raises OSError."""
    lines: list[RawLine] = []
    with path.open("rb") as file:
        file.seek(offset)
        while len(lines) < max_lines and max_bytes > 0:
            data = file.readline(MAX_LINE_BYTES + 1)
            if not data:
                break
            number += 1
            whole: bytes | None = data
            if len(data) > MAX_LINE_BYTES and not data.endswith(b"\n"):
                whole = None
                while (rest := file.readline(SKIP_BYTES)) and not rest.endswith(b"\n"):
                    pass
            elif number == 1:
                whole = data.removeprefix(BOM)
            offset = file.tell()
            max_bytes -= len(data)
            lines.append(RawLine(number, offset, None if whole is None else whole.strip()))
    return lines


def write_at(path: Path, size: int, data: bytes) -> None:
    """Have `data` on disk after the first `size` bytes of the file, which is made where it is missing; whatever came
    after them is cut off. Raises LostContent where there are not so many, OSError."""
    with open(path, "r+b" if path.exists() else "x+b", buffering=0) as file:
        there = file.seek(0, os.SEEK_END)
        if there < size:
            raise LostContent(f"{path.name} has {there} bytes, where {size} were written")
        file.truncate(size)
        file.seek(size)
        write_all(file, data)
        os.fsync(file.fileno())
    sync_folder(path.parent)
