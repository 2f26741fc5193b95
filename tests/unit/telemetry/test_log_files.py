"""Log files: what stands in which, and that nothing in them looks like a key."""

import errno
import io
import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from remuda.core.record import RequestRecord
from remuda.telemetry.log_files import APP, ERRORS, REQUESTS, RULE, LogFile, log_files, worker_files
from remuda.telemetry.logs import AccessLog, PrettyLines, configure_logging
from tests.contract.store.samples import a_record

SECRET = "rmd_abcdefghijklmnopqrstuvwxyz234567"
log = logging.getLogger("remuda.some.room")


def written(folder: Path, say: Callable[[], object], level: str = "info", max_bytes: int = 10**6) -> dict[str, str]:
    """What stands in each file, and on the stream, after `say`."""
    stream = io.StringIO()
    files = log_files(folder, logging.getLevelNamesMapping()[level.upper()], max_bytes=max_bytes, kept=2)
    with configure_logging(level, "json", stream, secrets=["hidden-secret"], files=files):  # type: ignore[arg-type]
        say()
    found = {path.name: path.read_text() for path in folder.iterdir()}
    return found | {"stream": stream.getvalue()}


def record(**values: object) -> RequestRecord:
    usual = {
        "id": "task-1",
        "model": "m",
        "replica": "one/m",
        "status": 200,
        "fault": "",
        "prompt_tokens": 12,
        "completion_tokens": 45,
        "queue_wait_s": 0.5,
        "duration_s": 2.8,
    }
    return a_record(**{**usual, **values})


def test_a_line_is_in_the_app_log_and_on_the_stream(tmp_path: Path) -> None:
    found = written(tmp_path / "logs", lambda: log.info("hello %s", "you", extra={"request_id": "r"}))
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO     hello you remuda\.some\.room request_id=r\n", found[APP]
    )
    assert "hello you" in found["stream"]
    assert found[ERRORS] == found[REQUESTS] == ""


def test_an_error_stands_with_its_traceback_between_lines(tmp_path: Path) -> None:
    def fail() -> None:
        try:
            raise LookupError(SECRET)
        except LookupError:
            log.exception("it went wrong with hidden-secret")

    found = written(tmp_path, fail)
    lines = found[ERRORS].splitlines()
    assert lines[0] == lines[-1] == RULE == "=" * 80
    assert "Traceback (most recent call last):" in lines
    assert lines[-2] == "LookupError: ***"
    for text in found.values():
        assert SECRET not in text
        assert "hidden-secret" not in text


@pytest.mark.parametrize("level", ["info", "error"])
def test_each_request_has_its_line_whatever_the_level(tmp_path: Path, level: str) -> None:
    found = written(tmp_path, lambda: AccessLog()(record()), level)
    assert re.fullmatch(
        r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] task_id=task-1 backend=one/m model=m status=success prompt_tokens=12 "
        r"completion_tokens=45 tokens_per_sec=19\.57 queue_wait=0\.500s processing_time=2\.300s total_time=2\.800s\n",
        found[REQUESTS],
    )
    assert found[APP] == found["stream"] == ""


def test_one_that_failed_says_why_and_forges_no_line(tmp_path: Path) -> None:
    found = written(tmp_path, lambda: AccessLog()(record(status=503, fault="engine_down", model='a\nb "c"')))
    [line] = found[REQUESTS].splitlines()
    assert "status=error" in line
    assert line.endswith(' error_message="engine_down"')
    assert r"model=a\nb" not in line
    refused = written(tmp_path, lambda: AccessLog()(record(status=404, duration_s=0.0, queue_wait_s=0.0)))
    assert "tokens_per_sec=0.00" in refused[REQUESTS].splitlines()[-1]
    assert refused[REQUESTS].endswith(' error_message="404"\n')


def test_files_are_bounded(tmp_path: Path) -> None:
    def much() -> None:
        for number in range(200):
            log.info("line %d %s", number, "x" * 100)

    found = written(tmp_path, much, max_bytes=4096)
    assert set(found) == {APP, f"{APP}.1", f"{APP}.2", ERRORS, REQUESTS, "stream"}
    assert all(len(text) <= 4096 for name, text in found.items() if name != "stream")
    assert "line 199 " in found[APP]


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        log_files(tmp_path / "file", logging.INFO, max_bytes=4096, kept=1)


class FullDisk(io.StringIO):
    """A stream that takes nothing."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_line_that_cannot_be_written_harms_nobody(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "a.log", PrettyLines(has_colours=False), level=0, max_bytes=4096, kept=1)
    opened = file.setStream(FullDisk())  # type: ignore[arg-type]
    assert opened is not None
    opened.close()
    file.handle(logging.makeLogRecord({"msg": "lost", "levelname": "INFO"}))
    assert file.lost == 1
    file.close()


def test_what_logging_was_before_is_put_back(tmp_path: Path) -> None:
    before = logging.getLogger("remuda.access").level
    written(tmp_path, lambda: None)
    assert logging.getLogger("remuda.access").level == before


def test_a_workers_files_have_its_number(tmp_path: Path) -> None:
    files = worker_files(tmp_path, 3, logging.INFO, max_bytes=10**6, kept=2)
    with configure_logging("info", "json", io.StringIO(), files=files):
        log.info("hello")
        log.error("oh dear")
    app, errors = ((tmp_path / f"worker-3{rest}.log").read_text() for rest in ("", ".errors"))
    assert ("hello" in app, "oh dear" in app) == (True, True)
    assert ("hello" in errors, "oh dear" in errors) == (False, True)
