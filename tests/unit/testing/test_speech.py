"""Each kind of server has its places, and says there what such a server says."""

import json
from typing import Any

import pytest

from remuda.testing.behaviour import Behaviour
from remuda.testing.seen import Seen
from remuda.testing.speech import LLAMACPP_CONTEXT, SPEECHES, LlamaCppSpeech, OllamaSpeech


def ask(speaks: str, path: str, body: Any = None, method: str | None = None) -> tuple[int, Any]:
    speech = SPEECHES[speaks](("a:latest", "b"), 3)
    said = body if isinstance(body, bytes) else json.dumps(body).encode()
    seen = Seen(1, 1, method or ("GET" if body is None else "POST"), path, [], said, 0.0)
    answer = speech.answer(seen, Behaviour(tokens=1))
    data = b"".join(part.data for part in answer.parts)
    try:
        return answer.status, json.loads(data)
    except ValueError:
        return answer.status, data


@pytest.mark.parametrize(
    ("speaks", "places"),
    [
        ("openai", set()),
        ("llama.cpp", {"/props", "/slots"}),
        ("ollama", {"/", "/api/version", "/api/tags", "/api/ps"}),
    ],
)
def test_places_of_each_kind(speaks: str, places: set[str]) -> None:
    every = {"/", "/props", "/slots", "/api/version", "/api/tags", "/api/ps", "/version"}
    assert {path for path in every if ask(speaks, path)[0] == 200} == places
    assert {model["id"] for model in ask(speaks, "/v1/models")[1]["data"]} == {"a:latest", "b"}
    assert ask(speaks, "/v1/models/b")[1]["id"] == "b"
    assert ask(speaks, "/v1/chat/completions", {"model": "b", "messages": []})[0] == 200
    assert ask(speaks, "/nowhere", {"model": "b"})[0] == 404


@pytest.mark.parametrize(("speaks", "status"), [("openai", 200), ("llama.cpp", 200), ("ollama", 404)])
def test_only_ollama_does_not_rerank(speaks: str, status: int) -> None:
    assert ask(speaks, "/v1/rerank", {"model": "b", "query": "x", "documents": ["x"]})[0] == status


def test_ollama_takes_a_name_without_its_tag_and_says_what_it_lacks() -> None:
    assert ask("ollama", "/api/chat", {"model": "a", "messages": []})[0] == 200
    assert ask("ollama", "/api/chat", {"model": "c"}) == (404, {"error": "model 'c' not found"})
    for path in ("/api/generate", "/api/embed", "/api/embeddings", "/api/show"):
        assert ask("ollama", path, {"model": "b"})[0] == 200
    speech = SPEECHES["ollama"](("a",), None)
    assert isinstance(speech, OllamaSpeech)
    assert speech.loaded == ()


def test_llamacpp_tells_its_slots() -> None:
    speech = SPEECHES["llama.cpp"](("a",), 3)
    assert isinstance(speech, LlamaCppSpeech)
    speech.busy = 1
    data = speech.told("/slots").parts[0].data
    assert [slot["is_processing"] for slot in json.loads(data)] == [True, False, False]
    assert ask("llama.cpp", "/props")[1]["total_slots"] == 3
    assert ask("llama.cpp", "/props")[1]["default_generation_settings"]["n_ctx"] == LLAMACPP_CONTEXT


def test_some_count_tokens_beforehand() -> None:
    path, body = "/v1/chat/completions/input_tokens", {"model": "b", "messages": [{"role": "user", "content": "a b"}]}
    assert ask("llama.cpp", path, body) == (200, {"object": "response.input_tokens", "input_tokens": 2})
    assert ask("openai", path, body)[0] == 404
    assert ask("vllm", "/v1/messages/count_tokens", body)[1]["input_tokens"] == 2
    assert ask("vllm", "/v1/messages/count_tokens")[0] == 405


@pytest.mark.parametrize("speaks", list(SPEECHES))
def test_what_makes_no_sense_is_an_error(speaks: str) -> None:
    assert ask(speaks, "/v1/chat/completions", b"{")[0] == 400
    assert ask(speaks, "/v1/models", method="PUT")[0] == 405
    assert ask(speaks, "/v1/chat/completions", [1])[0] == 404
