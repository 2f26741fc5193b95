"""Log lines: what they hold, what they never hold, and that nobody waits for them."""

import io
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from remuda.core.record import RequestRecord
from remuda.telemetry.logs import MESSAGE_CHARS, WAITING_LINES, AccessLog, Logging, configure_logging

SECRET = "rmd_abcdefghijklmnopqrstuvwxyz234567"
TAIL = SECRET[10:]
log = logging.getLogger("remuda.some.room")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class StuckStream(io.StringIO):
    """A stream that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        assert self.let_go.wait(30)
        return super().write(text)


@contextmanager
def lines(level: str = "debug", **options) -> Iterator[list[dict]]:
    stream = io.StringIO()
    found: list[dict] = []
    with configure_logging(level, "json", stream, **options):
        yield found
    found.extend(json.loads(line) for line in stream.getvalue().splitlines())


def pretty(say, stream: io.StringIO | None = None, **options) -> str:
    stream = stream or io.StringIO()
    with configure_logging("debug", "pretty", stream, **options):
        say()
    return stream.getvalue()


def test_a_line_of_json() -> None:
    with lines() as found:
        log.info("%d models are ready", 2, extra={"request_id": "req_1", "model": "llama", "tokens": 7})
    (line,) = found
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "remuda.some.room",
        "message": "2 models are ready",
        "request_id": "req_1",
        "model": "llama",
        "tokens": 7,
    }


def test_the_time_is_rfc_3339_in_utc() -> None:
    with lines() as found:
        log.info("now")
    moment = datetime.fromisoformat(found[0]["ts"])
    assert moment.utcoffset() is not None
    assert not moment.utcoffset()


def test_a_traceback_has_its_field_and_no_key() -> None:
    with lines() as found:
        try:
            raise ValueError(f"refused key {SECRET}")
        except ValueError:
            log.exception("it failed")
    assert "Traceback" in found[0]["exception"]
    assert "ValueError: refused key ***" in found[0]["exception"]
    assert "\n" in found[0]["exception"]


def test_keys_are_taken_out_of_message_arguments_and_extras() -> None:
    with lines(secrets=["hunter2-hunter2"]) as found:
        log.info(
            "%s and %s, hunter2-hunter2",
            SECRET,
            {"authorization": f"Bearer {SECRET}"},
            extra={
                "api_key": "plain",
                "url": f"http://h/?api_key={SECRET}",
                "headers": {"X-API-Key": "plain too", SECRET: [SECRET, (SECRET, 1)]},
                "thing": ValueError(SECRET),
            },
        )
    text = json.dumps(found)
    assert TAIL not in text
    assert "plain" not in text
    assert "hunter2" not in text
    assert found[0]["api_key"] == "***"
    assert found[0]["headers"]["***"] == ["***", ["***", 1]]


@settings(deadline=None, max_examples=30)
@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(["json", "pretty"]))
def test_no_key_survives_in_any_line(before: str, after: str, style: str) -> None:
    assume(TAIL not in before + after)
    stream = io.StringIO()
    text = before + SECRET + after
    with configure_logging("debug", style, stream):
        try:
            raise RuntimeError(text)
        except RuntimeError:
            log.exception(text.replace("%", "%%"), extra={"a": text, "b": [text], "c": {text: text}})
    assert TAIL not in stream.getvalue()
    if style == "json":
        assert len(stream.getvalue().splitlines()) == 1


def test_extras_are_made_json() -> None:
    class Thing:
        def __str__(self) -> str:
            return "a thing"

    deep: list = []
    deep.append(deep)
    with lines() as found:
        log.info(
            "x",
            extra={
                "nan": float("nan"),
                "inf": float("inf"),
                "thing": Thing(),
                "set": {1},
                "deep": deep,
                "many": list(range(1000)),
                "level": "mine",
                "ts": 1,
            },
        )
    (line,) = found
    assert line["nan"] == "nan"
    assert line["thing"] == "a thing"
    assert line["set"] == [1]
    assert len(line["many"]) == 100
    assert (line["level"], line["level_"], line["ts_"]) == ("info", "mine", 1)


def test_what_is_logged_is_as_it_was_then() -> None:
    seen = ["before"]
    with lines() as found:
        log.info("%s", seen, extra={"seen": seen})
        seen[0] = "after"
    assert found[0]["message"] == "['before']"
    assert found[0]["seen"] == ["before"]


def test_a_line_that_cannot_be_made_costs_nothing_else() -> None:
    class Unspeakable:
        def __repr__(self) -> str:
            raise RuntimeError(SECRET)

    with lines() as found:
        log.info("%s", Unspeakable())
        log.info("%d of %d", "one")
        log.info("fine")
    assert [line["message"] for line in found] == [
        "a log line could not be put together: RuntimeError",
        "%d of %d ('one',)",
        "fine",
    ]


def test_a_long_message_is_cut_between_words_and_before_it_is_searched() -> None:
    with lines() as found:
        log.info("%s %s", "x " * (MESSAGE_CHARS // 2 - 5), SECRET)
        log.info("y" * MESSAGE_CHARS * 2)
    assert all(len(line["message"]) < MESSAGE_CHARS + 50 for line in found)
    assert "rmd_" not in found[0]["message"]
    assert found[1]["message"] == f" ... ({MESSAGE_CHARS * 2} characters)"


def test_levels() -> None:
    with lines("warning") as found:
        log.info("no")
        log.warning("yes")
    assert [line["message"] for line in found] == ["yes"]


@pytest.mark.parametrize("level", ["info", "debug"])
def test_uvicorn_goes_the_same_way(level: str) -> None:
    own = logging.StreamHandler(io.StringIO())
    logging.getLogger("uvicorn").addHandler(own)
    logging.getLogger("uvicorn").propagate = False
    try:
        with lines(level) as found:
            logging.getLogger("uvicorn.error").info("started", extra={"color_message": "\x1b[1mstarted"})
            logging.getLogger("uvicorn.access").info('%s - "GET /?api_key=%s"', "1.2.3.4:5", SECRET)
            logging.getLogger("alembic.runtime.plugins").info("setup plugin")
        assert logging.getLogger("uvicorn").handlers == [own]
        assert not logging.getLogger("uvicorn").propagate
    finally:
        logging.getLogger("uvicorn").removeHandler(own)
        logging.getLogger("uvicorn").propagate = True
    assert [line["logger"] for line in found] == ["uvicorn.error"] + ["uvicorn.access"] * (level == "debug")
    assert "color_message" not in found[0]
    assert TAIL not in json.dumps(found)


def test_close_writes_everything_and_leaves_logging_as_it_was() -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    stream = io.StringIO()
    handle = configure_logging("info", "json", stream)
    for n in range(1000):
        log.info("%d", n)
    assert handle.close()
    assert handle.close()
    assert handle.flush()
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == [str(n) for n in range(1000)]
    assert (root.level, list(root.handlers)) == before


def test_flush_waits_for_what_was_logged() -> None:
    stream = io.StringIO()
    with configure_logging("info", "json", stream) as handle:
        log.info("here")
        assert handle.flush()
        assert "here" in stream.getvalue()


def test_a_stuck_stream_stops_nobody_and_what_is_lost_is_told() -> None:
    stream = StuckStream()
    handle: Logging = configure_logging("info", "json", stream)
    try:
        log.info("the first, on which the stream gets stuck")
        assert stream.reached.wait(10)
        for n in range(WAITING_LINES + 5):
            log.info("%d", n)
        assert handle.dropped == 5
        assert not handle.flush(0.01)
    finally:
        stream.let_go.set()
        assert handle.close(60)
    messages = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert messages[-1] == str(WAITING_LINES - 1)
    assert [message for message in messages if "5 log lines were dropped" in message]


def test_auto_is_pretty_on_a_terminal_and_json_elsewhere() -> None:
    for stream, is_json in ((io.StringIO(), True), (Terminal(), False)):
        with configure_logging("info", "auto", stream, environ={}):
            log.info("x")
        assert stream.getvalue().startswith("{") == is_json


def test_a_pretty_line() -> None:
    text = pretty(lambda: log.warning("look out", extra={"request_id": "req_1", "why": "two words", "n": 1.5}))
    assert text[2] == ":"
    assert text[13:] == 'WARNING  look out remuda.some.room request_id=req_1 why="two words" n=1.5\n'


@pytest.mark.parametrize(
    ("environ", "has_colours"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colours(environ: dict[str, str], has_colours: bool) -> None:
    assert ("\x1b[" in pretty(lambda: log.info("x"), Terminal(), environ=environ)) == has_colours
    assert "\x1b[" not in pretty(lambda: log.info("x"), io.StringIO(), environ=environ)


def test_a_clients_words_cannot_forge_a_line_or_steer_a_terminal() -> None:
    text = pretty(lambda: log.info("model %s", "a\n12:00:00.000 ERROR forged\x1b[2J\r", extra={"b\n": "c\nd"}))
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
    assert "\r" not in text


def test_a_pretty_traceback_keeps_its_lines() -> None:
    def fail() -> None:
        try:
            raise ValueError("no\x1b[2J")
        except ValueError:
            log.exception("failed")

    text = pretty(fail)
    assert "\nTraceback (most recent call last):\n" in text
    assert "ValueError: no\\x1b[2J" in text


@pytest.mark.parametrize("style", ["json", "pretty"])
def test_what_the_stream_cannot_write_becomes_escapes(style: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    with configure_logging("info", style, stream):
        log.info("Lama \u2603 \ud800")
    assert b"\\u2603" in raw.getvalue()


RECORD = RequestRecord(
    id="req_1",
    started_at=1_700_000_000.0,
    dialect="openai",
    operation="chat",
    model="llama",
    replica="box-1",
    key_id="key_1",
    status=200,
    fault="",
    is_streamed=True,
    attempts=1,
    queue_wait_s=0.0,
    ttft_s=0.25,
    duration_s=1.5,
    prompt_tokens=10,
    completion_tokens=11,
    cached_tokens=4,
    tokens_estimated=False,
    bytes_in=500,
    bytes_out=900,
    finish_reason="stop",
    prompt_text="what they said",
    answer_text="what it said",
)


def test_access_lines() -> None:
    with lines("debug") as found:
        AccessLog()(RECORD)
    (line,) = found
    line.pop("ts")
    assert line == {
        "level": "debug",
        "logger": "remuda.access",
        "message": "chat 200 in 1500.0 ms",
        "request_id": "req_1",
        "dialect": "openai",
        "operation": "chat",
        "model": "llama",
        "replica": "box-1",
        "key_id": "key_1",
        "status": 200,
        "duration_ms": 1500.0,
        "ttft_ms": 250.0,
        "queue_wait_ms": 0.0,
        "prompt_tokens": 10,
        "completion_tokens": 11,
    }


def test_access_lines_at_info_are_of_failures_unless_set_otherwise() -> None:
    failed = RECORD._replace(status=502, fault="upstream_failed", ttft_s=None, model="", operation="")
    with lines("info") as found:
        AccessLog()(RECORD)
        AccessLog()(failed)
        AccessLog(level=logging.INFO)(RECORD)
        AccessLog(failed_level=logging.DEBUG)(failed)
    assert [(line["message"], line.get("fault")) for line in found] == [
        ("openai 502 in 1500.0 ms", "upstream_failed"),
        ("chat 200 in 1500.0 ms", None),
    ]
