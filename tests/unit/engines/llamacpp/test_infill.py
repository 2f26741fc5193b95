"""Filling in the middle of a text: what the engine is asked, and what its answer becomes."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import gguf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.ask import Operation
from remuda.core.clock import SystemClock
from remuda.core.faults import InvalidRequest
from remuda.engines.launch import EngineSettings, LocalModel
from remuda.engines.llamacpp.adapter import LlamaCpp
from remuda.engines.llamacpp.continuation import KeptStream
from remuda.engines.llamacpp.infill import InfillAnswer
from remuda.engines.llamacpp.process import XllamaLauncher
from remuda.engines.protocol import Outgoing
from remuda.wire.sse import DONE, EventSplitter, data_of
from tests.random_model import write_random_model
from tests.unit.engines.client import ask_of, fault_from, send

ENGINE = LlamaCpp(lambda: 7.0, ids=lambda: "req_1")
ASK = {"model": "m", "prompt": "def f(", "suffix": "    return x\n"}


def outgoing(*, streamed: bool = False, choices: int = 1, **fields: Any) -> Outgoing:
    ask = ask_of(Operation.COMPLETION, {**ASK, **fields}, is_streamed=streamed, choices=choices)
    return ENGINE.outgoing(ask, "theirs")


def test_a_completion_with_a_suffix_is_an_infill():
    made = outgoing(max_tokens=5, temperature=0, stop="\n\n", stream_options=None, n=1, user="me")
    assert (made.path, made.is_streamed, made.may_emit_progress) == ("/infill", True, True)
    assert json.loads(made.body) == {
        "model": "theirs",
        "input_prefix": "def f(",
        "input_suffix": "    return x\n",
        "temperature": 0,
        "n_predict": 5,
        "stop": ["\n\n"],
        "stream": True,
        "return_progress": True,
    }


@pytest.mark.parametrize("suffix", [None, ""])
def test_an_empty_suffix_is_none(suffix: str | None):
    assert outgoing(suffix=suffix).path == "/v1/completions"


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"suffix": ["a"]}, "suffix"),
        ({"stop": 7}, "stop"),
        ({"echo": True}, "echo"),
        ({"logprobs": 2}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"choices": 2}, "n"),
    ],
)
def test_what_cannot_go_with_it_is_refused_and_named(fields: dict[str, Any], parameter: str):
    with pytest.raises(InvalidRequest) as caught:
        outgoing(**fields)
    assert caught.value.parameter == parameter
    assert parameter in caught.value.message


def test_a_model_that_cannot_is_told_apart_from_a_server_that_cannot():
    said = {"error": {"code": 501, "message": "Infill is not supported by this model: middle token is missing. "}}
    fault = ENGINE.fault_of(501, json.dumps(said).encode(), Operation.COMPLETION)
    assert isinstance(fault, InvalidRequest)
    assert fault.parameter == "suffix"


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


STREAM = (
    event(index=0, content="", prompt_progress={"total": 9, "cache": 4, "processed": 9}, stop=False)
    + event(index=0, content="x", tokens=[1], stop=False)
    + event(index=0, content=" Grüße):\n", tokens=[2], stop=False)
    + event(
        index=0,
        content="",
        stop=True,
        stop_type="limit",
        tokens_evaluated=9,
        tokens_predicted=2,
        timings={"cache_n": 4, "prompt_ms": 1.5},
    )
)


def events(data: bytes) -> list[Any]:
    assert data.endswith(DONE)
    return [json.loads(data_of(each)) for each in EventSplitter().feed(data.removesuffix(DONE))]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_a_stream_is_that_of_a_completion_however_it_is_cut(cuts: list[int]):
    answer = InfillAnswer("cmpl-1", "m", 7)
    places = [0, *sorted(cuts), len(STREAM)]
    made = b"".join(answer.feed(STREAM[a:b]) for a, b in pairwise(places)) + answer.end()
    progress, *said, last, usage = events(made)
    assert progress["prompt_progress"]["total"] == 9
    assert [chunk["choices"][0]["text"] for chunk in said] == ["x", " Grüße):\n"]
    assert last["choices"] == [{"text": "", "index": 0, "logprobs": None, "finish_reason": "length"}]
    assert usage["choices"] == []
    assert usage["usage"] == {
        "prompt_tokens": 9,
        "completion_tokens": 2,
        "total_tokens": 11,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    named = {"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m"}
    assert all({name: chunk[name] for name in named} == named for chunk in (progress, *said, last, usage))


def test_whatever_makes_no_sense_goes_on_as_it_is():
    odd = (b'data: {"error":{"message":"no"}}\n\n', b"data: <html>\n\n", b": hello\n\n")
    answer = InfillAnswer("cmpl-1", "m", 7)
    assert answer.feed(b"".join(odd) + b"data: {") == b"".join(odd)
    assert answer.end() == b"data: {"


def test_nothing_follows_the_end():
    answer = InfillAnswer("cmpl-1", "m", 7)
    assert answer.feed(event(stop=True, stop_type="eos") + DONE + event(content="x")).endswith(DONE)
    assert answer.feed(event(content="x")) == b""


def test_one_that_breaks_off_is_asked_for_once_more_and_not_gone_on_with():
    made = outgoing(streamed=True)
    assert made.is_continuable
    assert made.translate is not None
    kept = made.translate()
    assert isinstance(kept, KeptStream)
    kept.feed(STREAM[: STREAM.index(b'data: {"index": 0, "content": "x"')])
    again = kept.asks(())
    assert again is not None
    assert (again.path, again.body) == (made.path, made.body)
    kept.feed(STREAM)
    assert not kept.can_continue


@pytest.fixture
def fim_file(tmp_path: Path) -> Path:
    """A model of random weights that has tokens for both ends of a text."""
    path = write_random_model(tmp_path / "fim.gguf", fim=True)
    assert gguf.GGUFReader(str(path)).get_field("tokenizer.ggml.fim_pre_token_id") is not None
    return path


@pytest.mark.engine
async def test_the_real_engine_fills_in_the_middle(run_folder: Path, fim_file: Path) -> None:
    model = LocalModel("fim", fim_file, EngineSettings(slots=1))
    child = await XllamaLauncher(run_folder, SystemClock()).start(model, lambda progress: None)
    try:
        made = outgoing(streamed=True, max_tokens=6, ignore_eos=True, temperature=0, logit_bias=[[ord("a"), 99]])
        answer = await send(child, made)
        assert answer.status == 200, answer.body
        assert made.translate is not None
        kept = made.translate()
        *chunks, last, usage = events(kept.feed(answer.body) + kept.end())
        assert last["choices"][0]["finish_reason"] == "length"
        assert usage["usage"]["completion_tokens"] == 6
        # The bytes of both ends, and the three tokens between them.
        assert usage["usage"]["prompt_tokens"] == len(ASK["prompt"]) + len(ASK["suffix"]) + 3
        assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == "aaaaaa"
    finally:
        await child.stop()


@pytest.mark.engine
async def test_the_real_engine_refuses_where_its_model_has_no_tokens_for_it(
    run_folder: Path, chat_model: LocalModel
) -> None:
    child = await XllamaLauncher(run_folder, SystemClock()).start(chat_model, lambda progress: None)
    try:
        fault = await fault_from(ENGINE, child, ask_of(Operation.COMPLETION, ASK))
        assert isinstance(fault, InvalidRequest)
        assert fault.parameter == "suffix"
    finally:
        await child.stop()
