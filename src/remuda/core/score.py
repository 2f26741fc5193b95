"""How well a request went, as one number from 0 to 1.

Source: document S3 has two parts of 60 and 40 per cent, latency and throughput; what stands for latency, and the scale,
are settled in this project's notes on the documents.
"""

from dataclasses import dataclass
from typing import Final

from remuda.core.record import RequestRecord

FAILED_FROM: Final = 400
"""The lowest status of a request that has failed."""


@dataclass(frozen=True, slots=True)
class ScoreTargets:
    """What counts as slow and as fast."""

    latency_ms: float = 2000.0
    """From here on latency adds nothing."""
    tokens_per_second: float = 20.0
    """From here on more throughput adds nothing."""


def has_failed(record: RequestRecord) -> bool:
    """Whether the request ended otherwise than well: refused, failed, cut off or called off."""
    return bool(record.fault) or record.status >= FAILED_FROM


def tokens_per_second(record: RequestRecord) -> float:
    """Tokens of the answer for each second from the request's arrival to the answer's end; 0 for none."""
    return record.completion_tokens / record.duration_s if record.duration_s > 0 else 0.0


def performance_score(record: RequestRecord, targets: ScoreTargets) -> float:
    """0.6 max(0, 1 - L / latency target) + 0.4 min(1, tokens per second / their target), to 4 places; 0 for failures.

    L, in ms, is the TTFT of a streamed answer; of another the time it took, for each 100 tokens where it has more.
    """
    # By position, in one step: this is reckoned for every request, and a named tuple's attributes cost more than it.
    status, fault, is_streamed, _, _, ttft_s, duration_s, _, tokens = record[7:16]
    if fault or status >= 400:
        return 0.0
    if is_streamed and ttft_s is not None:
        latency_ms = ttft_s * 1000
    else:
        latency_ms = duration_s * 1000 if tokens <= 100 else duration_s * 100_000 / tokens
    score = 0.0
    if latency_ms < targets.latency_ms:
        score = 0.6 * (1 - latency_ms / targets.latency_ms)
    if tokens > 0 and duration_s > 0:
        speed = tokens / duration_s
        score += 0.4 if speed >= targets.tokens_per_second else 0.4 * speed / targets.tokens_per_second
    return round(score, 4)
