"""Log lines: made where something happens, written by a thread, with nothing in them that looks like a key.

Whoever logs pays for putting the message together and for one queue operation; redaction, JSON and the write to the
stream, which may block, happen in the thread. Ids reach a line as `extra={"request_id": ...}`.
"""

import json
import logging
import math
import os
import queue
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, TextIO

from remuda.core.record import RequestRecord
from remuda.telemetry.redaction import HIDDEN, Redact, is_secret_name, redactor

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "pretty", "json"]

WAITING_LINES: Final = 10_000
"""Lines that may wait for the thread. When the stream is stuck for so long, further ones are dropped and counted:
the gateway must not stop, nor fill its memory, because nobody reads its log."""
MESSAGE_CHARS: Final = 16_384
EXCEPTION_CHARS: Final = 65_536
"""Longer texts are cut. The costliest redaction takes some tens of milliseconds for a text of this length."""
EXTRA_CHARS: Final = 4_096
EXTRA_DEPTH: Final = 4
EXTRA_ITEMS: Final = 100
"""Items that are kept of each collection in an extra."""

ACCESS_LOGGER: Final = "remuda.access"

# What every LogRecord has; anything else in one was handed in as an extra.
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_FIXED: Final = frozenset({"ts", "level", "logger", "message", "exception"})
_UVICORN: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
_TALKATIVE: Final = {"alembic": logging.WARNING}
"""Libraries that are heard from this level on only: this one tells of its plugins at each start."""


class Logging:
    """Logging as it was set up by `configure_logging`, until `close`. Usable as a context manager."""

    def __init__(self, writer: logging.Handler, level: int, *, tells_requests: bool = False) -> None:
        """`tells_requests`: the line of each request is made, whatever the level."""
        self._handler = _Enqueue()
        self._thread = threading.Thread(target=self._handler.write, args=(writer,), name="remuda-logs", daemon=True)
        self._is_open = True
        root = logging.getLogger()
        self._before = [
            (logger, logger.level, list(logger.handlers), logger.propagate)
            for logger in (root, *map(logging.getLogger, (*_UVICORN, *_TALKATIVE, ACCESS_LOGGER)))
        ]
        for logger, *_ in self._before:
            logger.handlers.clear()
            logger.propagate = True
            logger.setLevel(logging.NOTSET)
        root.addHandler(self._handler)
        root.setLevel(level)
        for name, least in _TALKATIVE.items():
            logging.getLogger(name).setLevel(max(level, least))
        if level > logging.DEBUG:  # ours say the same of requests to models, and others are of no interest
            logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
        if tells_requests:
            logging.getLogger(ACCESS_LOGGER).setLevel(logging.DEBUG)
        self._writer = writer
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines lost because the stream took none for too long; the log says so too, once it goes on."""
        return self._handler.dropped

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until what has been logged so far is written; False if that took longer than `timeout_s`. Blocks."""
        if not self._is_open:
            return True
        mark = threading.Event()
        self._handler.lines.put(mark)
        return mark.wait(timeout_s)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Write what waits, end the thread and put back the logging there was before; False if not all was written
        within `timeout_s`, because the stream is stuck. Blocks; a second call does nothing."""
        if self._is_open:
            self._is_open = False
            for logger, level, handlers, propagates in self._before:
                logger.handlers[:] = handlers
                logger.propagate = propagates
                logger.setLevel(level)
            self._handler.lines.put(None)
            self._thread.join(timeout_s)
            self._handler.close()
            if not self._thread.is_alive():  # else it holds the writer's lock
                self._writer.close()
        return not self._thread.is_alive()

    def __enter__(self) -> "Logging":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def configure_logging(
    level: Level,
    format: Format,  # noqa: A002 - the setting's own name
    stream: TextIO,
    *,
    secrets: Iterable[str] = (),
    environ: Mapping[str, str] = os.environ,
    files: Sequence[logging.Handler] = (),
) -> Logging:
    """Send the log lines of the whole process, uvicorn's too, to `stream`; give back the handle to flush and close.

    `auto` is pretty on a terminal and JSON elsewhere. Pretty lines are coloured on a terminal unless NO_COLOR is set.
    `secrets` are taken out of lines whatever they look like; what looks like a key is taken out anyway. Start uvicorn
    with `log_config=None`, or it replaces its own part. `files` take the lines too, each from its own level on, and the
    line of each request; they are closed with the handle.
    """
    is_terminal = stream.isatty()
    formatter: logging.Formatter
    if format == "pretty" or (format == "auto" and is_terminal):
        has_colours = is_terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        formatter = PrettyLines(has_colours=has_colours)
    else:
        formatter = JsonLines()
    writer = _Writer(stream)
    writer.setFormatter(formatter)
    least = logging.getLevelNamesMapping()[level.upper()]
    writer.setLevel(least)
    every = _Each((writer, *files)) if files else writer
    every.addFilter(Redaction(redactor(secrets)))
    return Logging(every, least, tells_requests=bool(files))


class AccessLog:
    """A sink of records: one line for each request."""

    def __init__(self, *, level: int = logging.DEBUG, failed_level: int = logging.INFO) -> None:
        self._log = logging.getLogger(ACCESS_LOGGER)
        self._level = level
        """Of answers below 500."""
        self._failed_level = failed_level

    @property
    def tells_all(self) -> bool:
        """Whether anybody sees lines of answers below 500; else this need not be asked about them."""
        return self._log.isEnabledFor(self._level)

    def __call__(self, record: RequestRecord) -> None:
        """Log `record`, without anybody's text."""
        level = self._failed_level if record.status >= 500 else self._level
        if not self._log.isEnabledFor(level):
            return
        extra: dict[str, Any] = {
            "request_id": record.id,
            "dialect": record.dialect,
            "operation": record.operation,
            "model": record.model,
            "replica": record.replica,
            "key_id": record.key_id,
            "status": record.status,
            "fault": record.fault,
            "duration_ms": _milliseconds(record.duration_s),
            "ttft_ms": _milliseconds(record.ttft_s),
            "queue_wait_ms": _milliseconds(record.queue_wait_s),
            "prompt_tokens": record.prompt_tokens,
            "completion_tokens": record.completion_tokens,
        }
        self._log.log(
            level,
            "%s %d in %.1f ms",
            record.operation or record.dialect or "request",
            record.status,
            record.duration_s * 1000,
            extra={name: value for name, value in extra.items() if value not in ("", None)},
        )


class JsonLines(logging.Formatter):
    """One JSON object a line: ts (RFC 3339, UTC), level, logger, message, the extras, and exception where one is."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a prepared record."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.msg,
        }
        extras: dict[str, Any] = getattr(record, "extras", {})
        # An extra that has the name of a fixed field must not displace it.
        line.update((f"{name}_" if name in _FIXED else name, value) for name, value in extras.items())
        if record.exc_text:
            line["exception"] = record.exc_text
        # Pure ASCII: whatever encoding the stream has, the line can be written.
        return json.dumps(line, separators=(",", ":"), allow_nan=False)


class PrettyLines(logging.Formatter):
    """Lines for people: local time, level, logger, message, extras; then the traceback."""

    _COLOURS: Final = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}

    def __init__(self, *, has_colours: bool, time_format: str = "%H:%M:%S.%f") -> None:
        """`time_format` ends with microseconds, of which milliseconds are shown."""
        super().__init__()
        self._has_colours = has_colours
        self._time_format = time_format

    def format(self, record: logging.LogRecord) -> str:
        """The lines of a prepared record."""
        time = datetime.fromtimestamp(record.created, UTC).astimezone().strftime(self._time_format)[:-3]
        level = self._painted(f"{record.levelname:<8}", self._COLOURS.get(record.levelname, "0"))
        extras = " ".join(f"{plain(name)}={shown(value)}" for name, value in getattr(record, "extras", {}).items())
        parts = [self._painted(time, "2"), level, plain(record.msg), self._painted(record.name, "2")]
        if extras:
            parts.append(self._painted(extras, "2"))
        line = " ".join(parts)
        if record.exc_text:
            line += "\n" + "\n".join(plain(part) for part in record.exc_text.splitlines())
        return line

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._has_colours else text


class Redaction(logging.Filter):
    """Takes keys out of a prepared record: message, traceback, and extras by their look and by their names."""

    def __init__(self, redact: Redact) -> None:
        super().__init__()
        self._redact = redact

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True; changes `record`."""
        record.msg = self._redact(record.msg)
        if record.exc_text:
            record.exc_text = self._redact(record.exc_text)
        extras: dict[str, Any] = getattr(record, "extras", {})
        if extras:
            record.extras = self._cleaned(extras)
        return True

    def _cleaned(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._redact(value)
        if isinstance(value, dict):
            return {
                self._redact(name): HIDDEN if is_secret_name(name) else self._cleaned(item)
                for name, item in value.items()
            }
        if isinstance(value, list):
            return [self._cleaned(item) for item in value]
        return value


class _Enqueue(logging.Handler):
    """Makes a record independent of whoever logged it, and hands it to the thread."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: queue.SimpleQueue[logging.LogRecord | threading.Event | None] = queue.SimpleQueue()
        """Records to write; events to set once all before them are written; None at the end."""
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Never waits, never raises."""
        if self.lines.qsize() >= WAITING_LINES:
            self.dropped += 1
            return
        try:
            line = _prepared(record)
        # Somebody's __str__ or __repr__ failed, somehow. The error's own words are left out: they may be anything.
        except Exception as error:  # noqa: BLE001
            line = _line(record, f"a log line could not be put together: {type(error).__name__}")
        self.lines.put(line)

    def write(self, writer: logging.Handler) -> None:
        """The thread: write what comes, until the end."""
        told = 0
        while (line := self.lines.get()) is not None:
            if isinstance(line, threading.Event):
                line.set()
                continue
            writer.handle(line)
            if self.dropped > told:
                lost, told = self.dropped - told, self.dropped
                sample = logging.LogRecord(__name__, logging.WARNING, "", 0, "", None, None)
                writer.handle(_line(sample, f"{lost} log lines were dropped: the stream took none for too long"))


class _Writer(logging.StreamHandler[TextIO]):
    """Writes to a stream of any encoding, flushing after each line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, with what the stream's encoding lacks written as escapes."""
        line = super().format(record)
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        return line if line.isascii() else line.encode(encoding, "backslashreplace").decode(encoding)


class _Each(logging.Handler):
    """Hands a record to each of several handlers, as far as its level is theirs."""

    def __init__(self, handlers: Sequence[logging.Handler]) -> None:
        super().__init__()
        self._handlers = handlers

    def emit(self, record: logging.LogRecord) -> None:
        for handler in self._handlers:
            if record.levelno >= handler.level:
                handler.handle(record)

    def close(self) -> None:
        for handler in self._handlers:
            handler.close()
        super().close()


def _line(record: logging.LogRecord, message: str) -> logging.LogRecord:
    """A record of its own with the level, logger and time of `record`."""
    line = logging.LogRecord(record.name, record.levelno, "", 0, message, None, None)
    line.levelname = record.levelname
    line.created = record.created
    return line


def _prepared(record: logging.LogRecord) -> logging.LogRecord:
    """A record of plain values only. The traceback is put into words here: its frames hold sockets and tasks, and must
    not be let go by another thread."""
    line = _line(record, _cut(_message(record), MESSAGE_CHARS))
    exception = record.exc_text
    if not exception and record.exc_info:
        exception = logging.Formatter().formatException(record.exc_info)
    if record.stack_info:
        exception = f"{exception}\n{record.stack_info}" if exception else record.stack_info
    line.exc_text = _cut(exception, EXCEPTION_CHARS) if exception else None
    line.extras = {
        name: _value(value, EXTRA_DEPTH)
        for name, value in record.__dict__.items()
        if name not in _STANDARD and name != "color_message"  # uvicorn's second version of its message
    }
    return line


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # arguments that do not fit: better the pieces than no line
        return f"{record.msg} {record.args!r}"


def _cut(text: str, chars: int) -> str:
    """At most about `chars` of `text`, cut between words: half a key is still half a key, and looks like none."""
    if len(text) <= chars:
        return text
    end = max(text.rfind(" ", 0, chars), text.rfind("\n", 0, chars))
    return f"{text[: max(end, 0)]} ... ({len(text)} characters)"


def _value(value: Any, depth: int) -> Any:
    """A copy of `value` in JSON's own types, bounded."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return _cut(str(value), EXTRA_CHARS)
    if depth > 0 and isinstance(value, Mapping):
        items = list(value.items())[:EXTRA_ITEMS]
        return {_cut(str(name), EXTRA_CHARS): _value(item, depth - 1) for name, item in items}
    if depth > 0 and isinstance(value, list | tuple | set | frozenset):
        return [_value(item, depth - 1) for item in list(value)[:EXTRA_ITEMS]]
    return _cut(str(value), EXTRA_CHARS)


def plain(text: str) -> str:
    """`text` with control characters as escapes: a client's words must not forge lines or steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)


def shown(value: Any) -> str:
    """`value` after a `name=`: quoted where it would not be read as one word."""
    text = value if isinstance(value, str) else json.dumps(value)
    return plain(text) if text and " " not in text else json.dumps(text)


def _milliseconds(seconds: float | None) -> float | None:
    return round(seconds * 1000, 3) if seconds is not None else None
