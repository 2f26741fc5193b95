"""What the fake says as Ollama has the shapes that Ollama's own client reads."""

import json
from typing import Any

import ollama
import pytest

from remuda.testing import answers_ollama
from remuda.testing.answers import Answer, Kind
from remuda.testing.behaviour import Behaviour

CALM = Behaviour(tokens=3)


def said(answer: Answer) -> list[Any]:
    return [json.loads(line) for part in answer.parts for line in part.data.splitlines()]


@pytest.mark.parametrize("stream", [True, False])
def test_a_chat(stream: bool) -> None:
    made = answers_ollama.chat({"model": "m", "messages": [{"content": "a b"}], "stream": stream}, CALM)
    lines = [ollama.ChatResponse(**line) for line in said(made)]
    assert "".join(line.message.content or "" for line in lines) == "The herd of"
    assert (lines[-1].done, lines[-1].done_reason, lines[-1].eval_count, lines[-1].prompt_eval_count) == (
        True,
        "stop",
        3,
        2,
    )
    assert made.streamed is stream
    assert [part.kind for part in made.parts] == ([Kind.CONTENT] * 3 + [Kind.DONE] if stream else [Kind.BODY])


def test_a_prompt_its_bound_and_none() -> None:
    cut = answers_ollama.generate({"model": "m", "prompt": "a", "options": {"num_predict": 2}}, CALM)
    lines = [ollama.GenerateResponse(**line) for line in said(cut)]
    assert [line.response for line in lines] == ["The", " herd", ""]
    assert lines[-1].done_reason == "length"
    [load] = said(answers_ollama.generate({"model": "m"}, CALM))
    assert (load["done_reason"], load["done"]) == ("load", True)


def test_vectors() -> None:
    [many] = said(answers_ollama.embed({"model": "m", "input": ["a", "b", "a"]}))
    assert len(ollama.EmbedResponse(**many).embeddings) == 3
    assert many["embeddings"][0] == many["embeddings"][2] != many["embeddings"][1]
    [one] = said(answers_ollama.embeddings({"model": "m", "prompt": "a"}))
    assert one["embedding"] == many["embeddings"][0]


def test_lists() -> None:
    [tags] = said(answers_ollama.tags(["a", "b"]))
    assert [model.model for model in ollama.ListResponse(**tags).models] == ["a", "b"]
    assert tags["models"][0]["digest"] == answers_ollama.digest_of("a")
    [ps] = said(answers_ollama.ps(["a"]))
    assert ollama.ProcessResponse(**ps).models[0].size_vram == answers_ollama.SIZE // 2
    [shown] = said(answers_ollama.show("a-embed"))
    assert ollama.ShowResponse(**shown).capabilities == ["embedding"]
    assert said(answers_ollama.version()) == [{"version": "0.12.11"}]


def test_errors() -> None:
    made = answers_ollama.error(503, "busy", retry_after_s=2)
    assert (made.status, said(made), made.headers) == (503, [{"error": "busy"}], (("Retry-After", "2"),))
    assert json.loads(answers_ollama.chat({"messages": ["a"]}, CALM).failure)["error"]
