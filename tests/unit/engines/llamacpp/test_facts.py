"""What is told of a model by its headers."""

from dataclasses import replace

import pytest

from remuda.engines.launch import EngineSettings
from remuda.engines.llamacpp.facts import MAX_INFO, MAX_INFO_CHARS, TEMPLATE, capabilities_of, facts_of
from remuda.wire.gguf import Array, GgufHeader, Value, ValueType

SETTINGS = EngineSettings()


def header(parameters: int | None = 100, **values: Value) -> GgufHeader:
    named = {key.replace("__", "."): value for key, value in values.items()}
    return GgufHeader(3, 1, {"general.architecture": "llama", **named}, is_whole=True, parameters=parameters)


def test_files_of_one_model_are_told_of_together():
    first = header(general__file_type=15, llama__context_length=4096)
    facts = facts_of([first, header(50)], ((10, 2_000_000_000), (20, 3_500_000_000)), SETTINGS)
    assert (facts.size_bytes, facts.changed_at, facts.parameters) == (30, 3.5, 150)
    assert (facts.architecture, facts.quantization, facts.trained_context) == ("llama", "Q4_K_M", 4096)
    info = dict(facts.info)
    assert (info["general.parameter_count"], info["llama.context_length"]) == (150, 4096)


def test_what_a_file_does_not_say_is_left_out():
    facts = facts_of([replace(header(None), metadata={})], ((10, 0), None), SETTINGS)
    assert (facts.parameters, facts.architecture, facts.quantization, facts.trained_context) == (None, "", "", None)
    assert facts.info == ()


def test_the_digest_is_another_once_a_file_has_changed():
    digests = {facts_of([header()], stamp, SETTINGS).digest for stamp in [((1, 1),), ((1, 2),), ((2, 1),), ((1, 1),)]}
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("template", "capabilities"),
    [
        (None, ("completion",)),
        ("{{ messages }}", ("completion",)),
        ("{% if tools %}", ("completion", "tools")),
        ("{% if tools %}{% if enable_thinking %}", ("completion", "tools", "thinking")),
        ("{{ reasoning_effort }}", ("completion", "thinking")),
        ("<think>", ("completion", "thinking")),
    ],
)
def test_the_chat_template_shows_what_can_be_asked(template: str | None, capabilities: tuple[str, ...]) -> None:
    values: dict[str, Value] = {} if template is None else {TEMPLATE: template}
    assert capabilities_of(header(**values), SETTINGS) == capabilities


@pytest.mark.parametrize(("pooling", "capabilities"), [(1, ("embedding",)), (4, ())])
def test_models_that_embed_or_rank_do_nothing_else(pooling: int, capabilities: tuple[str, ...]) -> None:
    made = header(llama__pooling_type=pooling, **{TEMPLATE: "{{ tools }}"})
    assert capabilities_of(made, SETTINGS) == capabilities
    assert capabilities_of(made, EngineSettings(embeds=False)) == ("completion", "tools")


def test_lists_templates_and_long_texts_are_no_info():
    made = header(
        **{TEMPLATE: "{{ messages }}", "tokenizer.ggml.tokens": Array(ValueType.STRING, 5)},
        general__license="x" * (MAX_INFO_CHARS + 1),
        general__author="y" * MAX_INFO_CHARS,
    )
    info = facts_of([made], (), SETTINGS).info
    assert [key for key, _ in info] == ["general.parameter_count", "general.architecture", "general.author"]


def test_the_number_of_values_is_bounded():
    made = header(None, **{f"x{number}": number for number in range(MAX_INFO + 10)})
    assert len(facts_of([made], (), SETTINGS).info) == MAX_INFO
