"""Lists of models in the forms that servers have, read."""

from typing import Any

import pytest

from remuda.fleet.registry import WILDCARD
from remuda.fleet.replica import Told
from remuda.fleet.sources.offers import (
    MAX_CHARS,
    MAX_MODELS,
    MAX_NAME,
    NO_DETAILS,
    Offer,
    Props,
    instance_in,
    listed,
    props_in,
    tagged,
    with_running,
    with_shown,
)


@pytest.mark.parametrize(
    ("entry", "context"),
    [
        ({}, None),
        ({"max_model_len": 8192}, 8192),
        ({"context_length": 4096}, 4096),
        ({"meta": {"n_ctx": 2048}}, 2048),
        ({"max_model_len": "8192"}, None),
        ({"max_model_len": True}, None),
        ({"max_model_len": 0}, None),
        ({"max_model_len": 2**70}, None),
    ],
)
def test_context_in_an_openai_list(entry: dict[str, Any], context: int | None) -> None:
    assert listed({"data": [{"id": "org/model:7b", **entry}]}) == {"org/model:7b": Offer(context)}


def test_what_llamacpp_tells_of_a_model() -> None:
    meta = {"n_ctx_train": 2048, "size": 5, "n_vocab": 1024}
    told = Told(size_bytes=5, trained_context=2048)
    assert listed({"data": [{"id": "m", "owned_by": "llamacpp", "meta": meta}]}) == {"m": Offer(told=told)}


def test_what_is_no_list_offers_nothing() -> None:
    for answer in (None, [], {"data": None}, {"models": 3}):
        assert listed(answer) is None
        assert tagged(answer) is None
    assert listed({"data": [{"id": WILDCARD}, {"id": 3}, 4, {"id": "b"}, {"id": "a"}]}) == {
        "a": NO_DETAILS,
        "b": NO_DETAILS,
    }


def test_a_list_in_a_form_of_its_own_is_one_all_the_same() -> None:
    assert listed([{"id": "a"}, 3]) == {"a": NO_DETAILS}
    assert listed({"object": "list", "data": None}) == {}
    assert listed(["a"]) is None


@pytest.mark.parametrize(
    "name", ["a\nb", "a\x00", "\x1b[31m", "\u202ea", "\ud800", "a" * (MAX_NAME + 1), 3, None, ["a"]]
)
def test_what_no_model_can_be_called_is_left_out(name: Any) -> None:
    longest = "é" * MAX_NAME
    assert set(listed({"data": [{"id": name}, {"id": "org/a:7b"}, {"id": longest}]}) or ()) == {"org/a:7b", longest}
    assert set(tagged({"models": [{"name": name}, {"name": name, "model": "b"}]}) or ()) == {"b"}


def test_no_more_are_taken_than_anybody_has() -> None:
    assert len(listed({"data": [{"id": str(number)} for number in range(MAX_MODELS + 1)]}) or ()) == MAX_MODELS


def test_what_ollama_tells() -> None:
    details = {"format": "gguf", "family": "llama", "families": ["llama", 3], "parameter_size": "8.0B"}
    entry = {"name": "a:1", "size": 5, "digest": "d", "modified_at": "x" * (MAX_CHARS + 1), "details": details}
    assert tagged({"models": [entry, {"model": "b", "details": 3, "size": -1}]}) == {
        "a:1": Offer(
            told=Told(
                size_bytes=5, digest="d", format="gguf", family="llama", families=("llama",), parameter_size="8.0B"
            )
        ),
        "b": Offer(told=Told()),
    }


def test_which_are_loaded_and_with_what() -> None:
    offers = tagged({"models": [{"name": "a"}, {"name": "b"}]})
    assert offers is not None
    ps = {"models": [{"name": "a", "size_vram": 7, "expires_at": "soon", "context_length": 4096}]}
    running = with_running(offers, ps, {})
    assert running["a"] == Offer(4096, Told(is_running=True, size_vram_bytes=7, expires_at="soon"))
    assert running["b"] == Offer(None, Told(is_running=False))
    unloaded = with_running(offers, {"models": []}, running)
    assert unloaded["a"] == Offer(4096, Told(is_running=False)), "it will be loaded so again"
    assert with_running(offers, None, running)["a"] == Offer(4096, Told()), "it is not known"


def test_what_a_model_can_do() -> None:
    info = {"general.architecture": "qwen3", "qwen3.context_length": 40960}
    shown = with_shown(Told(digest="d"), {"capabilities": ["tools"], "model_info": info})
    assert shown == Told(digest="d", capabilities=("tools",), trained_context=40960)
    for odd in (None, {}, {"capabilities": 3, "model_info": []}):
        assert with_shown(Told(digest="d"), odd) == Told(digest="d")


@pytest.mark.parametrize(
    ("answer", "props"),
    [
        ({"total_slots": 4, "default_generation_settings": {"n_ctx": 2048}}, Props(4, 2048)),
        ({"total_slots": 0}, Props()),
        ("odd", Props()),
    ],
)
def test_llamacpps_props(answer: Any, props: Props) -> None:
    assert props_in(answer) == props


@pytest.mark.parametrize(
    ("standing", "via", "is_away"),
    [
        ({"state": "active", "via": ["remuda-1", "remuda-2"]}, ("remuda-1", "remuda-2"), False),
        ({"away": True}, (), True),
        ({"via": "remuda-1", "away": 1}, (), False),
        (None, (), False),
        ([], (), False),
    ],
)
def test_a_remuda_tells_how_it_comes_by_a_model(standing: Any, via: tuple[str, ...], is_away: bool):
    offers = listed({"data": [{"id": "m", "remuda": standing}]})
    assert offers is not None
    assert (offers["m"].via, offers["m"].is_away) == (via, is_away)


def test_what_a_remuda_tells_of_a_model() -> None:
    facts = {"size": 5, "details": {"family": "llama"}, "trained_context": 2048, "running": True, "size_vram": 3}
    offers = listed({"data": [{"id": "m", "meta": {"size": 7}, "remuda": {"facts": facts}}]})
    told = Told(size_bytes=5, family="llama", trained_context=2048, is_running=True, size_vram_bytes=3)
    assert offers == {"m": Offer(told=told)}


@pytest.mark.parametrize(
    "facts",
    [
        None,
        [],
        "odd",
        {},
        {
            "size": "5",
            "digest": "d" * (MAX_CHARS + 1),
            "details": [],
            "capabilities": "tools",
            "trained_context": -1,
            "running": "yes",
            "size_vram": 2**70,
            "expires_at": 3,
        },
    ],
)
def test_nonsense_of_a_remuda_tells_nothing(facts: Any) -> None:
    assert listed({"data": [{"id": "m", "remuda": {"facts": facts}}]}) == {"m": NO_DETAILS}


@pytest.mark.parametrize(
    ("answer", "instance"),
    [
        ({"data": [], "remuda": {"instance": "remuda-1"}}, "remuda-1"),
        ({"data": [], "remuda": {"instance": 1}}, ""),
        ({"data": [], "remuda": {"instance": "x" * 1000}}, ""),
        ({"data": [], "remuda": "remuda-1"}, ""),
        ({"data": []}, ""),
        ([], ""),
    ],
)
def test_which_remuda_it_is(answer: Any, instance: str):
    assert instance_in(answer) == instance
