"""Step: what is kept of a request. Made when all else is over, so that it tells every outcome, refused ones too."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from remuda.core.ask import Ask
from remuda.core.decision import rendered
from remuda.core.record import RequestRecord
from remuda.core.usage import with_prompt
from remuda.gateway.exchange import Exchange
from remuda.gateway.transcript import NO_CAPTURE, Capture, Transcript

Sink = Callable[[Sequence[RequestRecord]], None]
"""Takes finished records, of which only the last may carry text: the journal, the metrics. Synchronous, quick, never
raises, keeps its hands off the list."""

Reckon = Callable[[Exchange, float], tuple[int, int, float | None]]
"""Takes a request that is over and how long it took (seconds); what it cost, and how much of that is for electricity,
in 10^-9 of the currency's unit, and its energy in joules, None where nothing measures it."""
UNRECKONED: Final = (0, 0, None)

BATCH: Final = 64
"""Records that are handed on together; fewer, when the gateway's sweep comes by: four times a second."""

LEFT = 499
"""Recorded where the client left first; nginx's number, never sent."""

_new_record: Final = tuple.__new__


def each_to(take: Callable[[RequestRecord], None]) -> Sink:
    """A sink that hands each record to `take`."""

    def take_all(records: Sequence[RequestRecord]) -> None:
        for record in records:
            take(record)

    return take_all


class Recorder:
    """Makes records and hands them to the sinks."""

    def __init__(
        self,
        sinks: Iterable[Sink],
        monotonic: Callable[[], float],
        *,
        tell: Callable[[RequestRecord], None] = lambda record: None,
        tells_all: bool = False,
        capture: Capture = NO_CAPTURE,
    ) -> None:
        self._sinks = tuple(sinks)
        self._batch: list[RequestRecord] = []
        self._tell = tell
        """Is told at once: of requests that failed by our side's doing (500 and above), or of all."""
        self._tells_from = 0 if tells_all else 500
        self._monotonic = monotonic
        self._capture = capture
        self.keeps_content = capture.chars > 0 or capture.is_by_key
        """Whether prompt and answer text go into records also of routes that are not there to be logged."""
        self.reckon: Reckon | None = None
        """None while nothing costs anything."""

    def capture_prompt(self, exchange: Exchange, ask: Ask) -> None:
        """Keep what the request asks, and have its answer kept, as far as that is wanted of such a one."""
        capture = self._capture
        otherwise = capture.logged_chars if exchange.route.is_logged else capture.chars
        chars = capture.by_key.get(exchange.caller_id, otherwise)
        if chars > 0:
            exchange.transcript = Transcript(ask, chars)

    def close(self, exchange: Exchange) -> None:
        """The request is over: make its record and hand it on."""
        self.hand_on(self.record_of(exchange))

    def record_of(self, exchange: Exchange) -> RequestRecord:
        """What is kept of a request that is over."""
        route = exchange.route
        started = exchange.started
        first = exchange.first_content_at
        usage = exchange.usage
        if usage.is_estimated:
            usage = exchange.usage = with_prompt(usage, exchange.bytes_in)
        transcript = exchange.transcript
        user_id, temperature, max_tokens = exchange.told
        decisions = exchange.decisions
        duration_s = self._monotonic() - started
        cost_nano, electricity_nano, energy_j = UNRECKONED if self.reckon is None else self.reckon(exchange, duration_s)
        # The named tuple's own constructor takes as long as all of this.
        return _new_record(
            RequestRecord,
            (
                exchange.id,
                exchange.started_wall,
                route.face.name,
                route.operation or "",
                exchange.model,
                exchange.replica,
                exchange.caller_id,
                exchange.status,
                exchange.fault,
                exchange.is_streamed,
                exchange.attempts,
                exchange.queue_wait_s,
                first - started if first is not None else None,
                duration_s,
                usage.prompt_tokens,
                usage.completion_tokens,
                usage.cached_tokens,
                usage.is_estimated,
                exchange.bytes_in,
                exchange.bytes_out,
                exchange.finish_reason,
                user_id,
                temperature,
                max_tokens,
                exchange.fit is not None and exchange.fit.is_truncated(usage),
                cost_nano,
                electricity_nano,
                energy_j,
                rendered(decisions) if decisions else None,
                None if transcript is None else transcript.prompt_text,
                None if transcript is None else transcript.answer_text,
                None if transcript is None else transcript.parameters,
            ),
        )

    def hand_on(self, record: RequestRecord) -> None:
        """To the sinks, soon."""
        if record.status >= self._tells_from:
            self._tell(record)
        batch = self._batch
        batch.append(record)
        if len(batch) >= BATCH or record.answer_text is not None:  # captured text may be megabytes
            self.flush()

    def flush(self) -> None:
        """Hand on what has been recorded so far."""
        batch, self._batch = self._batch, []
        if batch:
            for sink in self._sinks:
                sink(batch)
