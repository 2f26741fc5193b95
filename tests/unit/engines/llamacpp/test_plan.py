"""Sizes of an engine, from settings and file."""

from typing import Any

import pytest

from remuda.engines.launch import DEFAULT_CONTEXT, EngineSettings
from remuda.engines.llamacpp.plan import EMBEDDING_BATCH, Plan, plan_for
from remuda.wire.gguf import GgufHeader


def header(architecture: str = "llama", **fields: Any) -> GgufHeader:
    metadata = {
        "general.architecture": architecture,
        **{f"{architecture}.{key}": value for key, value in fields.items()},
    }
    return GgufHeader(version=3, tensor_count=1, metadata=metadata, is_whole=False, parameters=None)


@pytest.mark.parametrize(
    ("wanted", "trained", "context"),
    [
        (None, 131_072, DEFAULT_CONTEXT),
        (None, 2048, 2048),
        (None, None, DEFAULT_CONTEXT),
        (16_384, 131_072, 16_384),
        (16_384, 2048, 2048),
    ],
)
def test_context_per_slot(wanted: int | None, trained: int | None, context: int) -> None:
    fields = {} if trained is None else {"context_length": trained}
    plan = plan_for(EngineSettings(slots=3, context=wanted, batch=64), header(**fields))
    assert plan == Plan(slots=3, context=context, batch=64, pooling=None)


@pytest.mark.parametrize(
    ("embeds", "architecture", "pooling_type", "pooling"),
    [
        (None, "llama", None, None),
        (None, "llama", 0, None),
        (None, "llama", 1, "MEAN"),
        (None, "bert", 2, "CLS"),
        (None, "bert", None, "MEAN"),
        (None, "qwen3", 3, "LAST"),
        (None, "qwen3", 4, "RANK"),
        (True, "llama", None, "MEAN"),
        (True, "llama", 0, "MEAN"),
        (True, "llama", 3, "LAST"),
        (False, "bert", 1, None),
    ],
)
def test_pooling(embeds: bool | None, architecture: str, pooling_type: int | None, pooling: str | None) -> None:
    fields = {} if pooling_type is None else {"pooling_type": pooling_type}
    plan = plan_for(EngineSettings(embeds=embeds), header(architecture, **fields))
    assert plan.pooling == pooling


@pytest.mark.parametrize(("trained", "batch"), [(512, 512), (8192, EMBEDDING_BATCH)])
def test_a_whole_input_fits_one_step_where_it_must(trained: int, batch: int) -> None:
    plan = plan_for(EngineSettings(context=8192), header(context_length=trained, pooling_type=1))
    assert plan.batch == batch
