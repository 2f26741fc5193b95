"""Log files, where a folder for them is set: beside the stream, written by the same thread, with keys taken out.

`app.log` has every line that the stream has, `errors.log` the errors with their tracebacks, `llm_requests.log` a line
for each request to a model. The names and the last one's format are those of document S2. A worker's are
`worker-1.log` and `worker-1.errors.log`, the second worker's `worker-2.log`; their requests are in the gateway's.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

from remuda.telemetry.logs import ACCESS_LOGGER, PrettyLines, plain, shown

APP: Final = "app.log"
REQUESTS: Final = "llm_requests.log"
ERRORS: Final = "errors.log"
RULE: Final = "=" * 80
CLIENTS_FAULT: Final = 400
"""Statuses from here on are no success."""


class LogFile(RotatingFileHandler):
    """One file, begun anew when it has grown to its bound; those before it are kept under numbers."""

    def __init__(self, path: Path, formatter: logging.Formatter, *, level: int, max_bytes: int, kept: int) -> None:
        """Raises OSError where it cannot be opened."""
        super().__init__(path, maxBytes=max_bytes, backupCount=kept, encoding="utf-8", errors="backslashreplace")
        self.setFormatter(formatter)
        self.setLevel(level)
        self.lost = 0
        """Lines that could not be written."""

    def handleError(self, record: logging.LogRecord) -> None:
        """The disk is full, say: the stream still has the line."""
        self.lost += 1


def log_files(folder: Path, level: int, *, max_bytes: int, kept: int) -> Sequence[logging.Handler]:
    """The three files in `folder`, which is made where it is not there; raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    bounds = {"max_bytes": max_bytes, "kept": kept}
    app = LogFile(folder / APP, DatedLines(), level=level, **bounds)
    errors = LogFile(folder / ERRORS, RuledLines(), level=logging.ERROR, **bounds)
    requests = LogFile(folder / REQUESTS, RequestLines(), level=logging.NOTSET, **bounds)
    requests.addFilter(logging.Filter(ACCESS_LOGGER))
    return app, errors, requests


def worker_files(folder: Path, number: int, level: int, *, max_bytes: int, kept: int) -> Sequence[logging.Handler]:
    """The two files of the worker of that number in `folder`; raises OSError."""
    bounds = {"max_bytes": max_bytes, "kept": kept}
    app = LogFile(folder / f"worker-{number}.log", DatedLines(), level=level, **bounds)
    errors = LogFile(folder / f"worker-{number}.errors.log", RuledLines(), level=logging.ERROR, **bounds)
    return app, errors


class DatedLines(PrettyLines):
    """Lines for people, each with its date; local time."""

    def __init__(self) -> None:
        super().__init__(has_colours=False, time_format="%Y-%m-%d %H:%M:%S.%f")


class RuledLines(DatedLines):
    """Each record between lines of 80 `=`."""

    def format(self, record: logging.LogRecord) -> str:
        """The lines of a prepared record."""
        return f"{RULE}\n{super().format(record)}\n{RULE}"


class RequestLines(logging.Formatter):
    """What became of a request to a model, in the document's words; local time."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a prepared record of the access log."""
        said: dict[str, Any] = getattr(record, "extras", {})
        total_s = said.get("duration_ms", 0.0) / 1000
        waited_s = said.get("queue_wait_ms", 0.0) / 1000
        worked_s = max(0.0, total_s - waited_s)
        tokens = said.get("completion_tokens", 0)
        fault = said.get("fault")
        is_error = bool(fault) or said.get("status", 0) >= CLIENTS_FAULT
        fields = {
            "task_id": said.get("request_id", "-"),
            "backend": said.get("replica", "-"),
            "model": said.get("model", "-"),
            "status": "error" if is_error else "success",
            "prompt_tokens": said.get("prompt_tokens", 0),
            "completion_tokens": tokens,
            "tokens_per_sec": f"{tokens / worked_s if worked_s else 0.0:.2f}",
            "queue_wait": f"{waited_s:.3f}s",
            "processing_time": f"{worked_s:.3f}s",
            "total_time": f"{total_s:.3f}s",
        }
        line = " ".join(f"{name}={shown(str(value))}" for name, value in fields.items())
        if is_error:
            line += f' error_message="{plain(str(fault or said.get("status")))}"'
        time = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return f"[{time}] {line}"
