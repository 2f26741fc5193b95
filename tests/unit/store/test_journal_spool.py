"""The spool's files: what they hold, what a crash leaves of them, what a full disk does."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.contract.store.samples import a_record

from remuda.core.record import RequestRecord
from remuda.store.journal_batch import Batch
from remuda.store.journal_spool import Spool

resource = pytest.importorskip("resource", reason="file size limits are POSIX's")


def new_spool(folder: Path, writer: str = "one", max_bytes: int = 10**6, segment_bytes: int = 10**5) -> Spool:
    return Spool(folder, writer, max_bytes=max_bytes, segment_bytes=segment_bytes)


def batch(number: int, *records: RequestRecord, writer: str = "one") -> Batch:
    return Batch(writer, number, list(records) or [a_record(number)])


def drained(spool: Spool) -> list[Batch]:
    """All batches, oldest first; the spool is empty afterwards."""
    found = []
    while (loaded := spool.read_first()) is not None:
        found += loaded.batches
        spool.discard(loaded)
    assert spool.is_empty
    assert spool.size_bytes == 0
    return found


def orphaned(folder: Path, *batches: Batch) -> Path:
    """The one segment of a process that has ended."""
    spool = new_spool(folder)
    for each in batches:
        assert spool.write(each)
    spool.close()
    (segment,) = (folder / "one").glob("*.jsonl")
    return segment


@contextmanager
def full_disk(size_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond `size_bytes`: what goes beyond is cut off, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_batches_come_back_as_they_were_written_in_order(tmp_path: Path):
    spool = new_spool(tmp_path, segment_bytes=1500)
    written = [
        batch(number, a_record(number, prompt_text="¿qué?\n🦙"), a_record(ttft_s=None)) for number in range(1, 9)
    ]
    assert all(spool.write(each) for each in written)
    assert len(list((tmp_path / "one").glob("*.jsonl"))) > 1
    assert spool.first_number == 1
    assert drained(spool) == written
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_a_batch_older_than_what_is_spooled_goes_before_it(tmp_path: Path):
    spool = new_spool(tmp_path)
    for number in (5, 6, 4, 7):
        assert spool.write(batch(number))
    assert [each.number for each in drained(spool)] == [4, 5, 6, 7]
    spool.close()


def test_what_is_written_while_a_segment_is_loaded_goes_to_another(tmp_path: Path):
    spool = new_spool(tmp_path)
    assert spool.write(batch(1))
    loaded = spool.read_first()
    assert loaded is not None
    assert spool.write(batch(2))
    spool.discard(loaded)
    assert [each.number for each in drained(spool)] == [2]
    spool.close()


def test_a_batch_written_twice_is_there_once(tmp_path: Path):
    spool = new_spool(tmp_path)
    for number in (1, 1, 2, 2):
        assert spool.write(batch(number))
    assert spool.write(batch(1))
    assert [each.number for each in drained(spool)] == [1, 2]
    spool.close()


def test_files_are_for_their_owner_alone(tmp_path: Path):
    segment = orphaned(tmp_path / "spool", batch(1))
    assert segment.stat().st_mode & 0o777 == 0o600
    assert segment.parent.stat().st_mode & 0o777 == 0o700


def test_a_full_spool_takes_no_more_and_says_so(tmp_path: Path):
    spool = new_spool(tmp_path, max_bytes=1400)
    number = 1
    while spool.write(batch(number)):
        number += 1
    assert number > 2
    assert spool.size_bytes <= 1400
    assert [each.number for each in drained(spool)] == list(range(1, number))
    spool.close()


@pytest.mark.parametrize("lost_bytes", [1, 40, 100])
def test_a_torn_last_line_is_passed_over(tmp_path: Path, lost_bytes: int):
    segment = orphaned(tmp_path, batch(1), batch(2), batch(3))
    os.truncate(segment, segment.stat().st_size - lost_bytes)
    spool = new_spool(tmp_path, "two")
    spool.adopt()
    loaded = spool.read_first()
    assert loaded is not None
    assert ([each.number for each in loaded.batches], loaded.damaged_lines) == ([1, 2], 0)
    spool.discard(loaded)
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_a_torn_first_line_leaves_nothing_to_load(tmp_path: Path):
    segment = orphaned(tmp_path, batch(1))
    os.truncate(segment, 10)
    spool = new_spool(tmp_path, "two")
    spool.adopt()
    assert drained(spool) == []
    spool.close()


def test_a_damaged_line_costs_its_own_batch_and_the_file_is_kept(tmp_path: Path):
    segment = orphaned(tmp_path, batch(1), batch(2), batch(3))
    lines = segment.read_bytes().split(b"\n")
    lines[2] = lines[2].replace(b"openai", b'op"nai')
    segment.write_bytes(b"\n".join(lines))
    spool = new_spool(tmp_path, "two")
    spool.adopt()
    loaded = spool.read_first()
    assert loaded is not None
    assert ([each.number for each in loaded.batches], loaded.damaged_lines) == ([1, 3], 1)
    spool.discard(loaded)
    spool.close()
    assert segment.with_suffix(".damaged").exists()
    another = new_spool(tmp_path, "three")
    another.adopt()
    assert another.is_empty
    another.close()


def test_a_file_of_a_newer_format_is_left_alone(tmp_path: Path):
    segment = orphaned(tmp_path, batch(1))
    segment.write_bytes(segment.read_bytes().replace(b'"format":1', b'"format":2'))
    spool = new_spool(tmp_path, "two")
    spool.adopt()
    with pytest.raises(OSError, match="written by another version"):
        spool.read_first()
    assert spool.set_aside() == segment
    assert spool.is_empty
    spool.close()
    assert segment.exists()


def test_records_of_another_version_are_read_by_their_fields_names(tmp_path: Path):
    segment = orphaned(tmp_path, batch(1))
    text = segment.read_text()
    changed = re.sub(r',"user_id".*"parameters"\]', ',"a_new_field"]', text)
    assert changed != text
    segment.write_text(changed.replace(',"",null,null,false,0,0,null,null,null,null,null]', ',"new"]'))
    spool = new_spool(tmp_path, "two")
    spool.adopt()
    assert drained(spool) == [batch(1)]
    spool.close()


def test_records_from_before_there_were_further_fields_are_read(tmp_path: Path):
    written = batch(1, a_record(1))
    segment = orphaned(tmp_path, written)
    text = segment.read_text()
    older = re.sub(r',"user_id".*"parameters"\]', "]", text).replace(
        ',"",null,null,false,0,0,null,null,null,null,null]', "]"
    )
    assert len(older) < len(text) - len(',"user_id"') * 2
    segment.write_text(older)
    spool = new_spool(tmp_path, "two")
    spool.adopt()
    assert drained(spool) == [written]
    spool.close()


def test_only_processes_that_have_ended_are_adopted(tmp_path: Path):
    living = new_spool(tmp_path)
    assert living.write(batch(1))
    other = new_spool(tmp_path, "two")
    other.adopt()
    assert other.is_empty
    living.close()
    other.adopt()
    assert [each.writer for each in drained(other)] == ["one"]
    other.close()


def test_on_a_full_disk_no_half_line_stays_behind(tmp_path: Path):
    spool = new_spool(tmp_path)
    assert spool.write(batch(1))
    with full_disk(spool.size_bytes + 50), pytest.raises(OSError, match="large"):
        spool.write(batch(2))
    another = new_spool(tmp_path, "two")
    with full_disk(50), pytest.raises(OSError, match="large"):
        another.write(batch(1, writer="two"))
    another.close()
    assert spool.write(batch(3))
    assert [each.number for each in drained(spool)] == [1, 3]
    spool.close()


def test_what_json_cannot_say_is_replaced(tmp_path: Path):
    spool = new_spool(tmp_path)
    assert spool.write(batch(1, a_record(model="half a pair \ud800", duration_s=1.0)))
    assert drained(spool)[0].records[0].model == "half a pair ?"
    spool.close()


def test_a_number_that_json_has_not_costs_no_record(tmp_path: Path):
    spool = new_spool(tmp_path)
    assert spool.write(batch(1, a_record(duration_s=float("inf")), a_record(prompt_tokens=2**70)))
    assert [(record.duration_s, record.prompt_tokens) for record in drained(spool)[0].records] == [
        (0.0, 12),
        (1.5, 2**63 - 1),
    ]
    spool.close()
