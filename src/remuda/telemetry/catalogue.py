"""Everything that is measured, in one table: the exposition and `docs/reference/metrics.md` are made from it."""

from collections.abc import Iterable
from typing import Final

from remuda.telemetry.catalogue_alerts import ALERT_METRICS
from remuda.telemetry.catalogue_tasks import TASK_METRICS
from remuda.telemetry.metric import Kind, Metric, Source

__all__ = ["CATALOGUE", "Kind", "Metric", "Source", "by_source", "reference_page"]

REQUESTS: Final = "remuda_requests_total"
FAULTS: Final = "remuda_request_faults_total"
CLIENT_GONE: Final = "remuda_client_gone_total"
ATTEMPTS: Final = "remuda_attempts_total"
DURATION: Final = "remuda_request_duration_seconds"
TTFT: Final = "remuda_time_to_first_token_seconds"
TIME_PER_OUTPUT_TOKEN: Final = "remuda_time_per_output_token_seconds"
QUEUE_WAIT: Final = "remuda_queue_wait_seconds"
PROMPT_TOKENS: Final = "remuda_prompt_tokens_total"
COMPLETION_TOKENS: Final = "remuda_completion_tokens_total"
CACHED_TOKENS: Final = "remuda_cached_tokens_total"
ABORT: Final = "remuda_upstream_abort_seconds"
IDLE_WAIT: Final = "remuda_engine_idle_wait_seconds"
BUILD_INFO: Final = "remuda_build_info"
OTEL_SPANS: Final = "remuda_otel_spans_total"
OTEL_DROPPED: Final = "remuda_otel_dropped_records_total"
IN_FLIGHT: Final = "remuda_requests_in_flight"
QUEUE_DEPTH: Final = "remuda_queue_depth"
KEEP_ALIVES: Final = "remuda_queue_keep_alives_total"
SLOTS: Final = "remuda_slots"
SLOTS_IN_USE: Final = "remuda_slots_in_use"
CIRCUIT_OPEN: Final = "remuda_circuit_open"
RETRIES: Final = "remuda_retries_total"
RETRIES_REFUSED: Final = "remuda_retries_refused_total"
CONTINUATIONS: Final = "remuda_stream_continuations_total"
MODELS_LOADED: Final = "remuda_models_loaded"
ENGINE_LOADS: Final = "remuda_engine_loads_total"
ENGINE_LOAD_SECONDS: Final = "remuda_engine_load_seconds_total"
JOURNAL_BUFFERED: Final = "remuda_journal_buffered_records"
JOURNAL_SPILLED: Final = "remuda_journal_spilled_records_total"
JOURNAL_DROPPED: Final = "remuda_journal_dropped_records_total"
JOURNAL_TEXTS_DROPPED: Final = "remuda_journal_dropped_texts_total"
ASIDE_ANSWERS: Final = "remuda_aside_answers_total"
ASIDE_STARTS: Final = "remuda_aside_starts_total"

# Bounds are round numbers at steps of about 2 to 2.5, closer where answers usually lie. They are part of the public
# face: dashboards compute quantiles over them, and a change breaks comparison with older data.
_REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_FIRST_TOKEN_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0, 120.0)
# From 1,000 tokens a second (a tiny model) to less than one in two seconds (a large one on a processor).
_PER_TOKEN_S = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5)
_QUEUE_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
# The promise is 0.1 s; its neighbourhood is what one wants to see.
_ABORT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# The wait is bounded at 2 s by default; what lies above is a wait that was given up, or a larger bound.
_IDLE_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)

CATALOGUE: Final = (
    Metric(
        REQUESTS,
        Kind.COUNTER,
        ("dialect", "operation", "model", "replica", "status_class"),
        "Inference requests that have ended, refused ones included; a client that left counts as 4xx.",
    ),
    Metric(
        FAULTS,
        Kind.COUNTER,
        ("code",),
        "Requests that ended with a fault, also one in the middle of a stream, by the fault's code.",
    ),
    Metric(CLIENT_GONE, Kind.COUNTER, ("dialect",), "Requests whose client left before the answer was complete."),
    Metric(
        ATTEMPTS,
        Kind.COUNTER,
        ("replica",),
        "Times a request was sent to a replica, all counted for the last replica that the request tried.",
    ),
    Metric(
        DURATION,
        Kind.HISTOGRAM,
        ("model", "operation"),
        "From a request's arrival to the end of its answer.",
        buckets=_REQUEST_S,
    ),
    Metric(
        TTFT,
        Kind.HISTOGRAM,
        ("model",),
        "Streams: from the request's arrival to the first content passed to the client.",
        buckets=_FIRST_TOKEN_S,
    ),
    Metric(
        TIME_PER_OUTPUT_TOKEN,
        Kind.HISTOGRAM,
        ("model",),
        "Streams that ended well: time per token after the first content.",
        buckets=_PER_TOKEN_S,
    ),
    Metric(
        QUEUE_WAIT,
        Kind.HISTOGRAM,
        ("model",),
        "How long a request waited for a free slot; 0 for one that had it at once, none for one refused before.",
        buckets=_QUEUE_S,
    ),
    Metric(PROMPT_TOKENS, Kind.COUNTER, ("model",), "Tokens of prompts, cached ones included."),
    Metric(COMPLETION_TOKENS, Kind.COUNTER, ("model",), "Tokens of answers."),
    Metric(CACHED_TOKENS, Kind.COUNTER, ("model",), "Tokens of prompts that the engine already held."),
    Metric(
        ABORT,
        Kind.HISTOGRAM,
        (),
        "From learning that a client left to the end of its upstream connection.",
        Source.HOOK,
        _ABORT_S,
    ),
    Metric(
        IDLE_WAIT,
        Kind.HISTOGRAM,
        (),
        "From the end of an aborted request's upstream connection to its engine's slot being idle, or given up on.",
        Source.HOOK,
        _IDLE_S,
    ),
    Metric(IN_FLIGHT, Kind.GAUGE, (), "Inference requests being answered, queued ones included.", Source.READING),
    Metric(QUEUE_DEPTH, Kind.GAUGE, ("model", "priority"), "Requests waiting for a slot.", Source.READING),
    Metric(
        KEEP_ALIVES,
        Kind.COUNTER,
        (),
        "Comments sent into streams that had not begun, to say that their requests still wait.",
        Source.READING,
    ),
    Metric(SLOTS, Kind.GAUGE, ("replica",), "Requests a replica's server takes at once.", Source.READING),
    Metric(SLOTS_IN_USE, Kind.GAUGE, ("replica",), "Slots of a replica's server that are taken.", Source.READING),
    Metric(
        CIRCUIT_OPEN,
        Kind.GAUGE,
        ("replica",),
        "1 while a replica gets no requests because those before failed, of it or of its server, else 0.",
        Source.READING,
    ),
    Metric(RETRIES, Kind.COUNTER, (), "Times a request was sent to another replica after one failed.", Source.READING),
    Metric(
        RETRIES_REFUSED,
        Kind.COUNTER,
        (),
        "Times that did not happen because `routing.retry_budget_percent` was used up.",
        Source.READING,
    ),
    Metric(
        CONTINUATIONS,
        Kind.COUNTER,
        ("outcome",),
        "Streams that broke off and could be continued, by what became of them: `continued` to their end, unseen by "
        "their clients; `failed`, which ended with an error; `abandoned`, whose clients left meanwhile.",
        Source.READING,
    ),
    Metric(MODELS_LOADED, Kind.GAUGE, (), "Models that an engine of this gateway holds in memory.", Source.READING),
    Metric(ENGINE_LOADS, Kind.COUNTER, ("model",), "Times an engine began to load a model.", Source.READING),
    Metric(
        ENGINE_LOAD_SECONDS, Kind.COUNTER, ("model",), "Time spent loading a model, in all its loads.", Source.READING
    ),
    Metric(JOURNAL_BUFFERED, Kind.GAUGE, (), "Records waiting in memory to be written to the store.", Source.READING),
    Metric(
        JOURNAL_SPILLED,
        Kind.COUNTER,
        (),
        "Records put into the spool file because the store was behind.",
        Source.READING,
    ),
    Metric(
        JOURNAL_DROPPED, Kind.COUNTER, (), "Records lost because memory and the spool file were full.", Source.READING
    ),
    Metric(
        JOURNAL_TEXTS_DROPPED,
        Kind.COUNTER,
        (),
        "Records kept without their text because there was too much of it in memory.",
        Source.READING,
    ),
    Metric(
        ASIDE_ANSWERS,
        Kind.COUNTER,
        ("where",),
        "Questions about the past that were answered, by who worked that out: `here` the gateway, `beside` the process "
        "that it has for them.",
        Source.READING,
    ),
    Metric(ASIDE_STARTS, Kind.COUNTER, (), "Times that process was started.", Source.READING),
    Metric(OTEL_SPANS, Kind.COUNTER, (), "Spans that an OpenTelemetry collector took.", Source.READING),
    Metric(OTEL_DROPPED, Kind.COUNTER, (), "Records of which no collector was told.", Source.READING),
    *TASK_METRICS,
    *ALERT_METRICS,
    Metric(BUILD_INFO, Kind.GAUGE, ("version",), "Always 1; the label says which Remuda this is.", Source.HOOK),
    Metric("process_cpu_seconds_total", Kind.COUNTER, (), "User and system time of the process.", Source.LIBRARY),
    Metric("process_resident_memory_bytes", Kind.GAUGE, (), "Resident memory of the process.", Source.LIBRARY),
    Metric("process_virtual_memory_bytes", Kind.GAUGE, (), "Virtual memory of the process.", Source.LIBRARY),
    Metric("process_start_time_seconds", Kind.GAUGE, (), "When the process started, Unix time.", Source.LIBRARY),
    Metric("process_open_fds", Kind.GAUGE, (), "Open file descriptors of the process.", Source.LIBRARY),
    Metric("process_max_fds", Kind.GAUGE, (), "How many file descriptors the process may open.", Source.LIBRARY),
)


def by_source(source: Source) -> dict[str, Metric]:
    """The rows whose values come from `source`, by name, in the table's order."""
    return {metric.name: metric for metric in CATALOGUE if metric.source is source}


_PAGE_HEAD = """\
# Metrics

<!-- Made from src/remuda/telemetry/catalogue.py by `python -m tools.reference_pages`: change it there. -->

`GET /metrics` answers in Prometheus' text format. Counters start at 0 with the process; a series appears with its
first value. Times are seconds, sizes bytes.

**Labels are bounded.** `model` and `replica` each take at most 200 different values, and there are at most 5,000
series of `remuda_requests_total`; what comes later counts under `other`. `model` is the canonical name, never an alias;
it is `unknown` for a name that is not known here and `none` where the request was refused before its model was read.
`replica` is `none` where the request was sent to none, `operation` where the address has none. `status_class` is
`2xx`, `4xx` or `5xx` by the answer's status; a client that left first counts as `4xx`. `endpoint` is a route's template
(`/status/{task_id}`), never a path, and `none` where there is no such route. No label ever holds a key, a caller's name
or text of a prompt.

Metrics without a prefix have the names of the task system whose API `POST /generate` is.

| metric | type | labels | what it says |
|---|---|---|---|
"""

_PAGE_BUCKETS = """
## Buckets

Upper bounds in seconds (of `tokens_per_second`, in tokens a second); each histogram also has `+Inf`, `_sum` and
`_count`.

| histogram | bounds |
|---|---|
"""

_PAGE_TAIL = """
`remuda_time_per_output_token_seconds` is (duration - time to first token) / (completion tokens - 1), of streams that
ended without a fault and had at least two tokens. Metrics whose names begin with `process_` exist on Linux only.
"""


def reference_page(metrics: Iterable[Metric] = CATALOGUE) -> str:
    """The text of `docs/reference/metrics.md`."""
    table = list(metrics)
    rows = (
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels) or '-'} "
        f"| {metric.help} |\n"
        for metric in table
    )
    buckets = (
        f"| `{metric.name}` | {', '.join(f'{bound:g}' for bound in metric.buckets)} |\n"
        for metric in table
        if metric.kind is Kind.HISTOGRAM
    )
    return "".join([_PAGE_HEAD, *rows, _PAGE_BUCKETS, *buckets, _PAGE_TAIL])
