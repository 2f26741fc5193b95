"""The table of kinds: who answers how."""

from dataclasses import replace
from typing import Any

import pytest

from remuda.core.node import NodeKind
from remuda.fleet.sources.kinds import Answers, is_llamacpp, is_remuda, is_vllm, kind_of, speaks_messages

MODELS: Any = {"object": "list", "data": [{"id": "a", "owned_by": "library"}]}
TAGS: Any = {"models": []}
PROPS: Any = {"total_slots": 4, "default_generation_settings": {"n_ctx": 2048}}
OLLAMA = Answers(models=MODELS, ollama_version={"version": "0.12.11"}, tags=TAGS)


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        (OLLAMA, NodeKind.OLLAMA),
        (replace(OLLAMA, version={"name": "Remuda", "version": "1"}), NodeKind.REMUDA),
        (replace(OLLAMA, version={"version": "0.10.2"}), NodeKind.OLLAMA),
        (replace(OLLAMA, tags=None), NodeKind.OPENAI),
        (replace(OLLAMA, ollama_version={"version": 3}), NodeKind.OPENAI),
        (Answers(models=MODELS, version={"version": "0.10.2"}), NodeKind.OPENAI),  # vLLM
        (Answers(models=MODELS, props=PROPS), NodeKind.LLAMA_CPP),
        (Answers(models=MODELS, props=PROPS, tags=TAGS), NodeKind.LLAMA_CPP),
        (Answers(models={"data": [{"id": "a", "owned_by": "llamacpp"}]}), NodeKind.LLAMA_CPP),
        (Answers(models={"data": ["odd", {"owned_by": 3}]}), NodeKind.OPENAI),
        (Answers(models=["odd"], version=3, ollama_version="x", tags=[], props={"props": 1}), NodeKind.OPENAI),
        (Answers(), NodeKind.OPENAI),
        (Answers(models=MODELS, are_all=False), None),
        (replace(OLLAMA, are_all=False), NodeKind.OLLAMA),
        (Answers(props=PROPS, are_all=False), NodeKind.LLAMA_CPP),
    ],
)
def test_who_answers_so_is(answers: Answers, kind: NodeKind | None) -> None:
    assert kind_of(answers) is kind


@pytest.mark.parametrize(
    ("version", "speaks"),
    [
        ("0.14.0", True),
        ("0.14", True),
        ("v1.0.2-rc1", True),
        ("0.40.12", True),
        ("0.13.9", False),
        ("0.0.0", False),
        ("", False),
        ("0.14x", False),
        (14, False),
        (None, False),
    ],
)
def test_which_ollama_speaks_anthropics_api(version: Any, speaks: bool) -> None:
    assert speaks_messages({"version": version}) is speaks
    assert not speaks_messages(None)


def test_vllm_is_known_by_whose_its_models_are() -> None:
    assert is_vllm({"data": [{"id": "a", "owned_by": "vllm"}]})
    assert not is_vllm(MODELS)
    assert not is_vllm(None)


def test_llamacpp_is_known_by_its_properties_or_by_whose_its_models_are() -> None:
    owned = {"data": [{"id": "a", "owned_by": "llamacpp"}]}
    assert [is_llamacpp(*said) for said in ((MODELS, PROPS), (owned, None), (None, PROPS))] == [True] * 3
    assert [is_llamacpp(*said) for said in ((MODELS, None), (MODELS, {"total_slots": 4}), (None, None))] == [False] * 3


@pytest.mark.parametrize("version", [None, {"version": "1"}, {"name": "vLLM"}, "Remuda", []])
def test_a_remuda_says_its_name(version: Any) -> None:
    assert not is_remuda(version)
    assert is_remuda({"name": "Remuda", "version": "1"})
