"""How well a request went, as one number from 0 to 1.

Source: document S3 has two parts of 60 and 40 per cent, latency and throughput; what stands for latency, and the scale,
are settled in this project's notes on the documents.
"""

from dataclasses import dataclass

from remuda.core.record import RequestRecord


@dataclass(frozen=True, slots=True)
class ScoreTargets:
    """What counts as slow and as fast."""

    latency_ms: float = 2000.0
    """From here on latency adds nothing."""
    tokens_per_second: float = 20.0
    """From here on more throughput adds nothing."""


def has_failed(record: RequestRecord) -> bool:
    """Whether the request ended otherwise than well: refused, failed, cut off or called off."""
    return bool(record.fault) or record.status >= 400


def tokens_per_second(record: RequestRecord) -> float:
    """Tokens of the answer for each second from the request's arrival to the answer's end; 0 for none."""
    return record.completion_tokens / record.duration_s if record.duration_s > 0 else 0.0


def performance_score(record: RequestRecord, targets: ScoreTargets) -> float:
    """0.6 max(0, 1 - L / latency target) + 0.4 min(1, tokens per second / their target), to 4 places; 0 for failures.

    L, in ms, is the TTFT of a streamed answer; of another the time it took, for each 100 tokens where it has more.
    """
    if has_failed(record):
        return 0.0
    if record.is_streamed and record.ttft_s is not None:
        latency_ms = record.ttft_s * 1000
    else:
        latency_ms = record.duration_s * 100_000 / max(100, record.completion_tokens)
    promptness = max(0.0, 1 - latency_ms / targets.latency_ms)
    throughput = min(1.0, tokens_per_second(record) / targets.tokens_per_second)
    return round(0.6 * promptness + 0.4 * throughput, 4)
