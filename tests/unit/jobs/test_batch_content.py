"""Batch files on disk."""

from pathlib import Path

import pytest

from remuda.jobs.batch_content import LostContent, RawLine, read_lines, write_at
from remuda.jobs.batch_lines import MAX_LINE_BYTES


def test_lines_in_pieces(tmp_path: Path):
    path = tmp_path / "in"
    path.write_bytes(b"\xef\xbb\xbfa\r\n\n b \nlast")
    whole = read_lines(path, 0, 0, 10, 1000)
    assert [(line.number, line.data) for line in whole] == [(1, b"a"), (2, b""), (3, b"b"), (4, b"last")]
    assert whole[-1].end == path.stat().st_size
    found: list[RawLine] = []
    while lines := read_lines(path, found[-1].end if found else 0, found[-1].number if found else 0, 1, 1000):
        found += lines
    assert found == whole
    assert len(read_lines(path, 0, 0, 10, 1)) == 1


def test_a_line_that_is_too_long_is_skipped_over(tmp_path: Path):
    path = tmp_path / "in"
    fits = b"x" * MAX_LINE_BYTES
    path.write_bytes(fits + b"\n" + fits + b"x" * 200_000 + b"\nnext\n")
    first, second, third = read_lines(path, 0, 0, 10, 10 * MAX_LINE_BYTES)
    assert (first.data, second.data, third.data) == (fits, None, b"next")
    assert (second.number, third.end) == (2, path.stat().st_size)


def test_what_was_not_counted_is_written_over(tmp_path: Path):
    path = tmp_path / "out"
    write_at(path, 0, b"one\n")
    write_at(path, 4, b"two, and ha")
    write_at(path, 4, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
    write_at(path, 4, b"")
    assert path.read_bytes() == b"one\n"


def test_what_is_gone_is_not_made_up(tmp_path: Path):
    path = tmp_path / "out"
    with pytest.raises(LostContent):
        write_at(path, 4, b"two\n")
    assert path.read_bytes() == b""
