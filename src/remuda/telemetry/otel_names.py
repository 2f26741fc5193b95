"""What OpenTelemetry calls things: every name that is exported, in one place.

Source: OpenTelemetry's semantic conventions for generative AI (opentelemetry.io/docs/specs/semconv/gen-ai), which are
still in development there; names of ours begin with `remuda.`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from remuda.core.ask import Operation

# Attributes of spans; the first three are those of metrics too.
OPERATION: Final = "gen_ai.operation.name"
SYSTEM: Final = "gen_ai.provider.name"
MODEL: Final = "gen_ai.request.model"
TEMPERATURE: Final = "gen_ai.request.temperature"
MAX_TOKENS: Final = "gen_ai.request.max_tokens"
STREAM: Final = "gen_ai.request.stream"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
STATUS: Final = "http.response.status_code"
ERROR: Final = "error.type"
REQUEST_ID: Final = "remuda.request.id"
DIALECT: Final = "remuda.dialect"
REPLICA: Final = "remuda.replica"
KEY_ID: Final = "remuda.key.id"
ATTEMPTS: Final = "remuda.attempts"
QUEUE_WAIT: Final = "remuda.queue_wait"
"""Seconds."""
COST: Final = "remuda.cost"
"""In the currency's unit."""
IS_TRUNCATED: Final = "remuda.prompt.is_truncated"

# Metrics. Times in seconds.
DURATION: Final = "gen_ai.server.request.duration"
TTFT: Final = "gen_ai.server.time_to_first_token"
TIME_PER_TOKEN: Final = "gen_ai.server.time_per_output_token"
TOKENS: Final = "gen_ai.client.token.usage"
TOKEN_TYPE: Final = "gen_ai.token.type"
INPUT: Final = "input"
OUTPUT: Final = "output"

REMUDA: Final = "remuda"
"""The system, as far as clients see: which engine answered, the replica tells."""
OPERATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        Operation.CHAT: "chat",
        Operation.RESPONSE: "chat",
        Operation.COMPLETION: "text_completion",
        Operation.EMBEDDING: "embeddings",
        Operation.RERANK: "rerank",
        Operation.COUNT_TOKENS: "count_tokens",
    }
)
"""The conventions' words for what is asked, and ours where they have none."""

DURATION_S: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TTFT_S: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
PER_TOKEN_S: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKEN_COUNTS: Final = (
    1,
    4,
    16,
    64,
    256,
    1024,
    4096,
    16_384,
    65_536,
    262_144,
    1_048_576,
    4_194_304,
    16_777_216,
    67_108_864,
)
"""The buckets that the conventions advise."""
