"""The part of the catalogue that is about tasks: document S2's names, and ours beside them."""

from typing import Final

from remuda.telemetry.metric import Kind, Metric, Source

# Document S2's.
HTTP_REQUESTS: Final = "http_requests_total"
HTTP_SECONDS: Final = "http_request_duration_seconds"
SUBMITTED: Final = "tasks_submitted_total"
COMPLETED: Final = "tasks_completed_total"
TASK_WAIT: Final = "task_queue_wait_seconds"
TASK_PROCESSING: Final = "task_processing_seconds"
TASK_TOTAL: Final = "task_total_seconds"
TOKENS: Final = "tokens_generated_total"
TOKENS_PER_SECOND: Final = "tokens_per_second"
ACTIVE: Final = "active_tasks"
REDIS: Final = "redis_connected"
LOADED: Final = "model_loaded"
# Ours.
WAITING: Final = "remuda_tasks_waiting"
LAG: Final = "remuda_tasks_lag_seconds"
RUNNING: Final = "remuda_tasks_running"
CLAIMS: Final = "remuda_tasks_claimed_total"
RETRIES: Final = "remuda_tasks_retries_total"
ENDED: Final = "remuda_tasks_ended_total"
DELIVERIES: Final = "remuda_webhook_attempts_total"
BATCHES: Final = "remuda_batches"
BATCH_LINES: Final = "remuda_batch_lines_total"

_HTTP_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
# Tasks wait for hours where much is handed in at once.
_TASK_WAIT_S = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
_TASK_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0)
_RATES = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 200.0, 500.0, 1000.0)

TASK_METRICS: Final = (
    Metric(
        HTTP_REQUESTS,
        Kind.COUNTER,
        ("method", "endpoint", "status"),
        "Requests to the ordinary routes, by the route's template; those to models are in `remuda_requests_total`.",
        Source.HOOK,
    ),
    Metric(
        HTTP_SECONDS,
        Kind.HISTOGRAM,
        ("method", "endpoint"),
        "From their heads' arrival to the end of their answers.",
        Source.HOOK,
        _HTTP_S,
    ),
    Metric(SUBMITTED, Kind.COUNTER, (), "Tasks that this gateway took in.", Source.READING),
    Metric(
        COMPLETED,
        Kind.COUNTER,
        ("status",),
        "Tasks that ended here, in the words of `/status`: `completed` or `failed`.",
        Source.READING,
    ),
    Metric(
        TASK_WAIT,
        Kind.HISTOGRAM,
        (),
        "Tasks that completed here: from their submission to the beginning of their last try.",
        Source.HOOK,
        _TASK_WAIT_S,
    ),
    Metric(
        TASK_PROCESSING,
        Kind.HISTOGRAM,
        ("model",),
        "Tasks that completed here: from the beginning of their last try to their end.",
        Source.HOOK,
        _TASK_S,
    ),
    Metric(
        TASK_TOTAL,
        Kind.HISTOGRAM,
        (),
        "Tasks that completed here: from their submission to their end.",
        Source.HOOK,
        _TASK_WAIT_S,
    ),
    Metric(TOKENS, Kind.COUNTER, ("model",), "Tokens of the answers of tasks.", Source.HOOK),
    Metric(
        TOKENS_PER_SECOND,
        Kind.HISTOGRAM,
        ("model",),
        "Tasks that completed here: tokens of the answer for each second of their last try.",
        Source.HOOK,
        _RATES,
    ),
    Metric(ACTIVE, Kind.GAUGE, (), "Tasks that are being answered here.", Source.READING),
    Metric(
        REDIS,
        Kind.GAUGE,
        (),
        "1 while what keeps the tasks answers, else 0. That is the store, and Redis too where `redis_url` is set.",
        Source.READING,
    ),
    Metric(LOADED, Kind.GAUGE, (), "1 while some model can answer at once, else 0.", Source.READING),
    Metric(
        WAITING,
        Kind.GAUGE,
        ("priority",),
        "Tasks in the store that wait, those included that are to be tried again later. Counted every few seconds "
        "while somebody scrapes.",
        Source.READING,
    ),
    Metric(
        LAG,
        Kind.GAUGE,
        (),
        "For how long the task that has waited longest could have begun. Looked up with the former.",
        Source.READING,
    ),
    Metric(RUNNING, Kind.GAUGE, ("model",), "Tasks that are being answered here.", Source.READING),
    Metric(CLAIMS, Kind.COUNTER, (), "Times this gateway's worker took a task.", Source.READING),
    Metric(RETRIES, Kind.COUNTER, (), "Times it put one back to be tried again after a failure.", Source.READING),
    Metric(
        ENDED,
        Kind.COUNTER,
        ("state",),
        "Tasks that ended here: `completed`, `failed`, `dead` (after the last try) or `cancelled`.",
        Source.READING,
    ),
    Metric(
        DELIVERIES,
        Kind.COUNTER,
        ("outcome",),
        "Tries to tell a webhook that a task is over: `delivered`, `failed` (to be tried again), `given_up`.",
        Source.READING,
    ),
    Metric(
        BATCHES,
        Kind.GAUGE,
        ("state",),
        "Batches in the store, in the words of `GET /v1/batches`. Counted as the tasks that wait.",
        Source.READING,
    ),
    Metric(
        BATCH_LINES,
        Kind.COUNTER,
        ("outcome",),
        "Lines of batches that this gateway wrote into their results: `completed`, or `failed` (expired ones too).",
        Source.READING,
    ),
)
