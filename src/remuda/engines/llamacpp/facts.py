"""What GGUF headers tell of a model, beyond what it takes to run it. No I/O."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from remuda.engines.launch import EngineSettings, ModelFacts, Stamp
from remuda.engines.llamacpp.plan import plan_for
from remuda.wire.gguf import Array, GgufHeader

MAX_INFO: Final = 256
"""Values of a header that are kept; real files have below a hundred."""
MAX_INFO_CHARS: Final = 1_000
"""Longer texts are templates and licences."""
TEMPLATE: Final = "tokenizer.chat_template"
TOOLS: Final = "tools"
"""The word by which a chat template takes the tools of a request."""
THINKING: Final = ("enable_thinking", "reasoning_effort", "<think>")
"""Words by which a chat template shows that its model thinks: the two that requests set, and what thoughts stand in."""


def facts_of(headers: Sequence[GgufHeader], stamp: Stamp, settings: EngineSettings) -> ModelFacts:
    """The facts of the model whose files, one at least, have these whole headers and look like `stamp`, when it is run
    with `settings`."""
    first = headers[0]
    files = [each for each in stamp if each is not None]
    parameters = sum(header.parameters or 0 for header in headers) or None
    return ModelFacts(
        size_bytes=sum(size for size, _ in files),
        changed_at=max((changed_ns for _, changed_ns in files), default=0) / 1e9,
        digest=hashlib.sha256(repr((first.name, stamp)).encode()).hexdigest(),
        architecture=first.architecture or "",
        parameters=parameters,
        quantization=first.quantization or "",
        trained_context=first.context_length,
        capabilities=capabilities_of(first, settings),
        info=tuple(_info(first, parameters)),
    )


def capabilities_of(header: GgufHeader, settings: EngineSettings) -> tuple[str, ...]:
    """What can be asked of the model. Tools and thoughts are the chat template's business, the engine adds nothing to
    it; pictures cannot be sent, as no projector is loaded.
    """
    pooling = plan_for(settings, header).pooling
    if pooling is not None:
        return () if pooling == "RANK" else ("embedding",)
    template = str(header.metadata.get(TEMPLATE, ""))
    knows = {"tools": TOOLS in template, "thinking": any(word in template for word in THINKING)}
    return ("completion", *(word for word, is_known in knows.items() if is_known))


def _info(header: GgufHeader, parameters: int | None) -> Iterator[tuple[str, str | int | float]]:
    if parameters is not None:
        yield "general.parameter_count", parameters
    for key, value in islice(header.metadata.items(), MAX_INFO):
        if isinstance(value, Array) or key in (TEMPLATE, "general.parameter_count"):
            continue
        if not isinstance(value, str) or len(value) <= MAX_INFO_CHARS:
            yield key, value
