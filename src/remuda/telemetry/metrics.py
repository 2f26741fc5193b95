"""Counts what happened, in plain integers; Prometheus' objects are made of them when somebody scrapes.

On the request's way a record is only appended to a list. Folding it costs about 1 µs and happens at a scrape, or for
`PENDING` records at once, so that both memory and the pause stay bounded. All methods belong to one thread: the event
loop's. Folding in any batches gives the same numbers: sums are integers (nanoseconds), so no order rounds differently.
"""

import logging
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from remuda.core.faults import ClientGone, UnknownModel
from remuda.core.record import RequestRecord
from remuda.telemetry import catalogue, catalogue_tasks
from remuda.telemetry.catalogue import Kind, Metric, Source
from remuda.telemetry.redaction import redact

log = logging.getLogger(__name__)

PENDING: Final = 256
"""Records held before they are folded unasked: less than a millisecond's work."""
COLUMNS_FROM: Final = 16
"""Records of one kind from which on they are counted by columns: below, setting that up costs more than it saves."""
LABEL_VALUES: Final = 200
"""Different values that `model` and `replica` may each take in the life of the process."""
REQUEST_SERIES: Final = 5_000
"""Series of the one counter that has both labels; their product is not bounded by theirs in any useful way."""
FEW: Final = 100
"""Different values of the labels that only our own code fills: dialects, operations, fault codes."""
ENDPOINTS: Final = 300
"""Different routes by their templates, of which there are fewer."""
LABEL_CHARS: Final = 100
METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

OTHER: Final = "other"
UNKNOWN: Final = "unknown"
NONE: Final = "none"

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Read = Callable[[], Iterable[tuple[Sequence[str], float]]]
"""A reading: label values, in the order of the metric's labels, and the value, as of now."""

_NS: Final = 1_000_000_000
_LONGEST_S: Final = 1e9


class Labels:
    """The values one label has taken: the first `limit` different ones; any other is `other`."""

    __slots__ = ("_limit", "_seen")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: set[str] = set()

    def __contains__(self, text: str) -> bool:
        return clean(text) in self._seen

    def admit(self, text: str) -> str:
        """The label value that `text` counts under from now on."""
        value = clean(text)
        if value in self._seen:
            return value
        if len(self._seen) >= self._limit:
            return OTHER
        self._seen.add(value)
        return value


class Histogram:
    """Counts per bucket, and the sum."""

    __slots__ = ("_bounds", "counts", "sum_ns")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Per bucket, not cumulated; the last one is what lies above all bounds."""
        self.sum_ns = 0

    def add(self, seconds: float) -> None:
        """Count one value; one below 0 counts as 0, one that can be no measured time (NaN, centuries) not at all."""
        if seconds == 0.0:  # most waits for a slot: below every bound, and adds nothing to the sum
            self.counts[0] += 1
            return
        if not 0.0 <= seconds < _LONGEST_S:
            if not -_LONGEST_S < seconds < 0.0:
                return
            seconds = 0.0
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.sum_ns += round(seconds * _NS)

    def add_all(self, values: Sequence[float]) -> None:
        """As `add` for each of many values, at a fraction of its cost."""
        ordered = sorted(values)
        if not (ordered[0] >= 0.0 and ordered[-1] < _LONGEST_S and math.isfinite(sum(ordered))):
            for seconds in values:
                self.add(seconds)
            return
        counted = 0
        for index, bound in enumerate(self._bounds):
            upto = bisect_right(ordered, bound, counted)
            self.counts[index] += upto - counted
            counted = upto
            if counted == len(ordered):
                break
        self.counts[-1] += len(ordered) - counted
        self.sum_ns += sum([round(seconds * _NS) for seconds in ordered])


class Count:
    """A number that grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


@dataclass(slots=True)
class _Place:
    """Where the numbers of records of one kind go."""

    requests: Count
    fault: Count | None
    gone: Count | None
    attempts: Count
    duration: Histogram
    ttft: Histogram
    per_token: Histogram
    queue_wait: Histogram
    prompt_tokens: Count
    completion_tokens: Count
    cached_tokens: Count
    waiting: list[RequestRecord] = field(default_factory=list)
    """Records of this fold, until it comes to their place."""

    def fold(self) -> None:
        """Count the waiting records: a few one by one, many by columns."""
        records, self.waiting = self.waiting, []
        if len(records) < COLUMNS_FROM or self.fault is not None:
            for record in records:
                self.add(*record[9:17])
            return
        values = [record[9:17] for record in records]
        streamed, attempts, waits, _, durations, prompt, completion, cached = zip(*values, strict=True)
        if any(streamed) or min(attempts) <= 0 or any(waits) or min(map(min, (prompt, completion, cached))) < 0:
            for value in values:
                self.add(*value)
            return
        self.requests.value += len(values)
        self.duration.add_all(durations)
        self.attempts.value += sum(attempts)
        self.queue_wait.counts[0] += len(values)
        self.prompt_tokens.value += sum(prompt)
        self.completion_tokens.value += sum(completion)
        self.cached_tokens.value += sum(cached)

    def add(
        self,
        is_streamed: bool,
        attempts: int,
        queue_wait_s: float,
        ttft_s: float | None,
        duration_s: float,
        prompt_tokens: int,
        completion_tokens: int,
        cached_tokens: int,
    ) -> None:
        """Count one record: its fields from `is_streamed` to `cached_tokens`."""
        self.requests.value += 1
        if self.fault is not None:
            self.fault.value += 1
            if self.gone is not None:
                self.gone.value += 1
        self.duration.add(duration_s)
        if attempts > 0:
            self.attempts.value += attempts
            self.queue_wait.add(queue_wait_s)
        elif queue_wait_s > 0:  # others were refused before they could wait
            self.queue_wait.add(queue_wait_s)
        if prompt_tokens > 0:
            self.prompt_tokens.value += prompt_tokens
        if completion_tokens > 0:
            self.completion_tokens.value += completion_tokens
        if cached_tokens > 0:
            self.cached_tokens.value += cached_tokens
        if is_streamed and ttft_s is not None:
            self.ttft.add(ttft_s)
            if completion_tokens > 1 and self.fault is None:
                self.per_token.add((duration_s - ttft_s) / (completion_tokens - 1))


class Metrics:
    """What `/metrics` says. Takes records by `observe` (a sink of the gateway), measurements by the other `observe_`
    methods, and readings by `attach`."""

    def __init__(
        self,
        version: str,
        *,
        is_known_model: Callable[[str], bool] = lambda name: True,
        label_values: int = LABEL_VALUES,
        request_series: int = REQUEST_SERIES,
        with_process: bool = True,
    ) -> None:
        self._version = version
        self._is_known_model = is_known_model
        """Whether a name is one of the fleet's. Names it denies get no label before a request for them succeeded:
        a client that invents names must not use the labels up. Unneeded for `model_not_found`, always `unknown`."""
        self._pending: list[RequestRecord] = []
        self._rows = {metric.name: metric for metric in catalogue.CATALOGUE}
        self._counters: dict[str, dict[tuple[str, ...], Count]] = {}
        self._histograms: dict[str, dict[tuple[str, ...], Histogram]] = {}
        self._request_series = request_series
        self._labels = {"model": Labels(label_values), "replica": Labels(label_values), "endpoint": Labels(ENDPOINTS)}
        self._places: dict[tuple[str, str, str, str, int, str], _Place] = {}
        self._places_limit = max(4_096, request_series)
        self._readings: dict[str, Read] = {}
        self._abort = self._histogram(catalogue.ABORT)
        self._idle = self._histogram(catalogue.IDLE_WAIT)
        self._registry = CollectorRegistry()
        self._registry.register(_Exposition(self))
        if with_process:
            ProcessCollector(registry=self._registry)

    content_type: Final = CONTENT_TYPE

    def observe(self, record: RequestRecord) -> None:
        """Take a finished record; it is counted at the latest at the next scrape."""
        pending = self._pending
        pending.append(record)
        # Captured text must not live on here: it may be megabytes.
        if len(pending) >= PENDING or record.answer_text is not None or record.prompt_text is not None:
            self.fold()

    def observe_all(self, records: Sequence[RequestRecord]) -> None:
        """As `observe` for each of several records, of which only the last may carry text."""
        self._pending += records
        if len(self._pending) >= PENDING or (records and records[-1].answer_text is not None):
            self.fold()

    def observe_abort(self, seconds: float) -> None:
        """An upstream connection ended `seconds` after the gateway learned that its client had left."""
        self._abort.add(seconds)

    def observe_idle(self, seconds: float) -> None:
        """The slot of an aborted request was idle (or given up on) `seconds` after its connection's end."""
        self._idle.add(seconds)

    def observe_http(self, method: str, endpoint: str, status: int, seconds: float) -> None:
        """A request to an ordinary route was answered; `endpoint` is its template, empty where there is no such."""
        if status:
            method = method if method in METHODS else OTHER
            self.count(catalogue_tasks.HTTP_REQUESTS, method, endpoint, str(status))
            self.measure(catalogue_tasks.HTTP_SECONDS, seconds, method, endpoint)

    def count(self, name: str, *labels: str, by: int = 1) -> None:
        """Add `by` to a counter of the catalogue that is told as it happens; labels in the metric's order."""
        self._count(name, *self._bounded(name, labels)).value += by

    def measure(self, name: str, value: float, *labels: str) -> None:
        """Count a value in a histogram of the catalogue that is told as it happens."""
        self._histogram(name, *self._bounded(name, labels)).add(value)

    def attach(self, name: str, read: Read) -> None:
        """Ask `read` for the values of the catalogue's metric `name` at each scrape; raises ValueError where `name` is
        no such metric or has its reading already. Counters' readings give totals since the start of the process."""
        if name not in catalogue.by_source(Source.READING):
            raise ValueError(f"{name!r} is not among the catalogue's readings")
        if name in self._readings:
            raise ValueError(f"{name!r} is read already")
        self._readings[name] = read

    def fold(self) -> None:
        """Add the pending records to the tables."""
        pending, self._pending = self._pending, []
        places = self._places
        touched: list[_Place] = []
        for record in pending:
            # By position, in one step: a named tuple's attributes cost as much as what is done with them.
            dialect, operation, model, replica, _, status, fault = record[2:9]
            key = (dialect, operation, model, replica, status, fault)
            place = places.get(key)
            if place is None:
                place = self._find_place(record, key)
            if not place.waiting:
                touched.append(place)
            place.waiting.append(record)
        for place in touched:
            place.fold()

    def render(self) -> bytes:
        """The page, in the format that `content_type` names; folds first.

        Takes about 10 µs a line: a few milliseconds for a handful of models, 0.15 s where all labels are used up.
        """
        self.fold()
        return generate_latest(self._registry)

    def families(self) -> Iterator[Family]:
        """The catalogue's metrics with their values, those of the process apart."""
        for metric in catalogue.CATALOGUE:
            if metric.source is Source.READING:
                if metric.name in self._readings:
                    yield self._read(metric)
            elif metric.name == catalogue.BUILD_INFO:
                info = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
                info.add_metric((self._version,), 1)
                yield info
            elif metric.kind is Kind.COUNTER and metric.source is not Source.LIBRARY:
                yield self._counted(metric)
            elif metric.kind is Kind.HISTOGRAM:
                yield self._distributed(metric)

    def _find_place(self, record: RequestRecord, key: tuple[str, str, str, str, int, str]) -> _Place:
        """The place of records like `record`, remembered under `key` where it will not change."""
        model = self._model_label(record)
        dialect = self._label("dialect", record.dialect)
        operation = self._label("operation", record.operation)
        replica = self._label("replica", record.replica)
        place = _Place(
            requests=self._request_count((dialect, operation, model, replica, status_class(record.status))),
            fault=self._count(catalogue.FAULTS, self._label("code", record.fault)) if record.fault else None,
            gone=self._count(catalogue.CLIENT_GONE, dialect) if record.fault == ClientGone.code else None,
            attempts=self._count(catalogue.ATTEMPTS, replica),
            duration=self._histogram(catalogue.DURATION, model, operation),
            ttft=self._histogram(catalogue.TTFT, model),
            per_token=self._histogram(catalogue.TIME_PER_OUTPUT_TOKEN, model),
            queue_wait=self._histogram(catalogue.QUEUE_WAIT, model),
            prompt_tokens=self._count(catalogue.PROMPT_TOKENS, model),
            completion_tokens=self._count(catalogue.COMPLETION_TOKENS, model),
            cached_tokens=self._count(catalogue.CACHED_TOKENS, model),
        )
        if model not in (UNKNOWN, OTHER):  # those names come from clients, or may be known the next time
            if len(self._places) >= self._places_limit:
                self._places.clear()
            self._places[key] = place
        return place

    def _model_label(self, record: RequestRecord) -> str:
        name = record.model
        if not name:
            return NONE
        if record.fault == UnknownModel.code:
            return UNKNOWN
        models = self._labels["model"]
        has_succeeded = record.attempts > 0 and 200 <= record.status < 300
        if name in models or has_succeeded or self._is_known_model(name):
            return models.admit(name)
        return UNKNOWN

    def _label(self, label: str, text: str) -> str:
        if not text:
            return NONE
        values = self._labels.get(label)
        if values is None:
            values = self._labels[label] = Labels(FEW)
        return values.admit(text)

    def _bounded(self, name: str, labels: Sequence[str]) -> list[str]:
        return [self._label(label, text) for label, text in zip(self._rows[name].labels, labels, strict=True)]

    def _request_count(self, labels: tuple[str, ...]) -> Count:
        series = self._counters.setdefault(catalogue.REQUESTS, {})
        if labels not in series and len(series) >= self._request_series:
            dialect, operation, _, _, status = labels
            labels = (dialect, operation, OTHER, OTHER, status)
        return series.setdefault(labels, Count())

    def _count(self, name: str, *labels: str) -> Count:
        return self._counters.setdefault(name, {}).setdefault(labels, Count())

    def _histogram(self, name: str, *labels: str) -> Histogram:
        series = self._histograms.setdefault(name, {})
        found = series.get(labels)
        if found is None:
            found = series[labels] = Histogram(self._rows[name].buckets)
        return found

    def _counted(self, metric: Metric) -> Family:
        family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, count in sorted(self._counters.get(metric.name, {}).items()):
            if count.value:
                family.add_metric(labels, count.value)
        return family

    def _distributed(self, metric: Metric) -> Family:
        family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        names = [*map(str, metric.buckets), "+Inf"]
        for labels, histogram in sorted(self._histograms.get(metric.name, {}).items()):
            total = 0
            buckets: list[tuple[str, float]] = []
            for name, count in zip(names, histogram.counts, strict=True):
                total += count
                buckets.append((name, total))
            if total:
                family.add_metric(labels, buckets, histogram.sum_ns / _NS)
        return family

    def _read(self, metric: Metric) -> Family:
        family = (
            CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
            if metric.kind is Kind.COUNTER
            else GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
        )
        sums: dict[tuple[str, ...], float] = {}
        try:
            for labels, value in self._readings[metric.name]():
                if value is None or not math.isfinite(value):
                    continue
                key = tuple(self._label(label, text) for label, text in zip(metric.labels, labels, strict=True))
                sums[key] = sums.get(key, 0) + value  # those beyond the bound share one series
        except Exception:  # whatever one reading runs into, the page shows all others
            log.exception("metric %s could not be read", metric.name)
        for key, value in sorted(sums.items()):
            family.add_metric(key, value)
        return family


class _Exposition(Collector):
    """What prometheus-client asks at a scrape."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Family]:
        return self._metrics.families()


def status_class(status: int) -> str:
    """`2xx` for 200 to 299 and so on; `other` for what is no HTTP status."""
    return f"{status // 100}xx" if 100 <= status <= 599 else OTHER


def clean(text: str) -> str:
    """`text` as a label value: printable, at most LABEL_CHARS characters, nothing in it that looks like a key."""
    bounded = redact(text)[:LABEL_CHARS]
    return bounded if bounded.isprintable() else "".join(c if c.isprintable() else "?" for c in bounded)
