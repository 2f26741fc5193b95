"""Step: what is kept of a request. Opened first and closed last, so that it sees every outcome, refused ones too."""

from collections.abc import Callable, Iterable
from types import TracebackType

from remuda.core.ask import Ask
from remuda.core.faults import Fault
from remuda.core.record import RequestRecord
from remuda.core.usage import NO_USAGE, Usage
from remuda.gateway.exchange import Exchange

Sink = Callable[[RequestRecord], None]
"""Takes a finished record: the journal, the metrics. Synchronous, quick, never raises."""

LEFT = 499
"""Recorded where the client left first; nginx's number, never sent."""


class Entry:
    """A record in the making."""

    __slots__ = (
        "_recorder",
        "attempts",
        "caller_id",
        "exchange",
        "fault",
        "finish_reason",
        "first_content_at",
        "is_streamed",
        "model",
        "prompt_text",
        "queue_wait_s",
        "replica",
        "status",
        "text",
        "usage",
    )

    def __init__(self, recorder: "Recorder", exchange: Exchange) -> None:
        self._recorder = recorder
        self.exchange = exchange
        self.caller_id = ""
        self.model = ""
        self.replica = ""
        self.status = 0
        self.fault = ""
        self.is_streamed = False
        self.attempts = 0
        self.queue_wait_s = 0.0
        self.first_content_at: float | None = None
        """Monotonic time at which the first content was passed on."""
        self.usage: Usage = NO_USAGE
        self.finish_reason = ""
        self.prompt_text: str | None = None
        self.text: list[str] | None = None
        """Pieces of the answer's text, where it is captured."""

    def __enter__(self) -> "Entry":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._recorder.close(self)

    def failed(self, fault: Fault, status: int) -> None:
        """The request ended with `fault`, said to the client as `status` (or in its stream)."""
        self.fault = fault.code
        self.status = status


class Recorder:
    """Makes records and hands them to the sinks."""

    def __init__(self, sinks: Iterable[Sink], monotonic: Callable[[], float], *, content_chars: int | None = 0) -> None:
        self._sinks = tuple(sinks)
        self._monotonic = monotonic
        self._content_chars = content_chars
        """How much of prompt and answer is kept: 0 nothing, None all."""
        self.keeps_content = content_chars != 0
        """Whether prompt and answer text go into records."""

    def open(self, exchange: Exchange) -> Entry:
        """A record for `exchange`, to be used as a context manager."""
        return Entry(self, exchange)

    def capture_prompt(self, entry: Entry, ask: Ask) -> None:
        """Keep the request's text, within the bound."""
        if self.keeps_content:
            entry.prompt_text = ask.body.decode("utf-8", "replace")[: self._content_chars]
            entry.text = []

    def close(self, entry: Entry) -> None:
        """The request is over: make its record and hand it on."""
        exchange = entry.exchange
        now = self._monotonic()
        route = exchange.route
        first = entry.first_content_at
        usage = entry.usage
        record = RequestRecord(
            exchange.id,
            exchange.started_wall,
            route.face.name,
            route.operation or "",
            entry.model,
            entry.replica,
            entry.caller_id,
            entry.status,
            entry.fault,
            entry.is_streamed,
            entry.attempts,
            entry.queue_wait_s,
            first - exchange.started if first is not None else None,
            now - exchange.started,
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_tokens,
            usage.is_estimated,
            exchange.bytes_in,
            exchange.bytes_out,
            entry.finish_reason,
            entry.prompt_text,
            "".join(entry.text)[: self._content_chars] if entry.text is not None else None,
        )
        for sink in self._sinks:
            sink(record)
