"""What the chaos run takes for an answer, what it does to whom, and what it asks real engines."""

import itertools
import json
import random
from typing import Any

import pytest
from bench.chaos import HEALTH, counted, served_ways

from remuda.app.settings import Settings
from tests.fixtures.chaos import CALAMITIES, WAYS, Asked, Ending, Load, Step, expected, judged, plan
from tests.fixtures.raw import RawAnswer

BY_PATH = {way.path: way for way in WAYS}
NAME = "c1-2"
TEXT = "c1-2.0 c1-2.1 "
ERROR = {"error": {"message": "m", "type": "upstream_error"}}


def sse(*datas: Any, names: bool = False) -> bytes:
    named = [f"event: {data['type']}\n" if names else "" for data in datas]
    said = [data if isinstance(data, str) else json.dumps(data) for data in datas]
    return "".join(f"{name}data: {data}\n\n" for name, data in zip(named, said, strict=True)).encode()


def lines(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def piece(text: str) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}}]}


def line(text: str, *, done: bool = False) -> dict[str, Any]:
    return {"message": {"content": text}, "done": done}


def delta(text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}


ANTHROPIC_ERROR = {"type": "error", **ERROR}
GOOD = [
    ("/v1/chat/completions", sse(piece("c1-2.0 "), piece("c1-2.1 "), "[DONE]"), Ending.WHOLE),
    ("/v1/chat/completions", sse(piece("c1-2.0 "), ERROR), Ending.CUT),
    ("/v1/chat/completions", b": waiting\n\n" + sse(ERROR), Ending.CUT),
    ("/api/chat", lines(line(TEXT), line("", done=True)), Ending.WHOLE),
    ("/api/chat", lines(line("c1-2.0 "), {"error": "m"}), Ending.CUT),
    ("/v1/messages", sse(delta(TEXT), {"type": "message_stop"}, names=True), Ending.WHOLE),
    ("/v1/messages", sse(delta("c1"), ANTHROPIC_ERROR, names=True), Ending.CUT),
]
BAD = [
    ("/v1/chat/completions", sse(piece(TEXT))),
    ("/v1/chat/completions", sse(piece("c1-2.0 "), "[DONE]")),
    ("/v1/chat/completions", sse(piece("c1-3.0 "), ERROR)),
    ("/v1/chat/completions", sse(piece(TEXT), "[DONE]", "[DONE]")),
    ("/v1/chat/completions", sse(piece("c1-2.0 "), ERROR, "[DONE]")),
    ("/v1/chat/completions", sse(piece("c1-2.0 "), "[DONE]", ERROR)),
    ("/v1/chat/completions", sse(piece("c1-2.0 "), piece("c1-2.0 "), piece("c1-2.1 "), "[DONE]")),
    ("/api/chat", lines(line(TEXT))),
    ("/api/chat", lines(line("c1-2.0 ", done=True), {"error": "m"})),
    ("/v1/messages", sse(delta("c1-2.0 "), {"type": "message_stop"}, ANTHROPIC_ERROR, names=True)),
]


def answer(body: bytes, status: int = 200, name: str = NAME) -> RawAnswer:
    return RawAnswer(status, [("x-request-id", name)], body, is_whole=True)


@pytest.mark.parametrize(("path", "body", "ending"), GOOD)
def test_an_honest_stream(path: str, body: bytes, ending: Ending) -> None:
    assert judged(BY_PATH[path], NAME, answer(body), TEXT, is_streamed=True) is ending


@pytest.mark.parametrize(("path", "body"), BAD)
def test_a_stream_that_is_not(path: str, body: bytes) -> None:
    with pytest.raises(AssertionError):
        judged(BY_PATH[path], NAME, answer(body), TEXT, is_streamed=True)


def test_whole_answers_and_refusals() -> None:
    chat = BY_PATH["/v1/chat/completions"]
    whole = json.dumps({"choices": [{"message": {"content": TEXT}}]}).encode()
    assert judged(chat, NAME, answer(whole), TEXT, is_streamed=False) is Ending.WHOLE
    assert judged(chat, NAME, answer(json.dumps(ERROR).encode(), 502), TEXT, is_streamed=True) is Ending.REFUSED
    for wrong in (
        answer(whole, name="c1-3"),
        answer(whole.replace(b"c1-2.0", b"c1-3.0")),
        answer(json.dumps(ERROR).encode(), 500),
        answer(json.dumps({"error": "m"}).encode(), 502),
        RawAnswer(200, [("x-request-id", NAME)], whole, is_whole=False),
    ):
        with pytest.raises(AssertionError):
            judged(chat, NAME, wrong, TEXT, is_streamed=False)
    assert expected(BY_PATH["/v1/embeddings"], "a") != expected(BY_PATH["/v1/embeddings"], "b")


def test_a_plan_has_everything_once_and_is_the_same_for_a_seed() -> None:
    steps = list(plan(random.Random(7), 3))
    assert steps == list(plan(random.Random(7), 3)) != list(plan(random.Random(8), 3))
    assert sorted(step.calamity for step in steps[:-1]) == sorted(CALAMITIES)
    assert steps[-1] == Step((0, 1, 2), "500")
    assert all(earlier.victims != later.victims for earlier, later in itertools.pairwise(steps))


@pytest.mark.parametrize(
    ("ending", "is_streamed", "step", "is_fine"),
    [
        (Ending.WHOLE, False, Step((0,), "hung"), True),
        (Ending.REFUSED, False, Step((0,), "hung"), False),
        (Ending.REFUSED, False, Step((0, 1, 2), "500"), True),
        (Ending.CUT, True, Step((0,), "killed"), True),
        (Ending.CUT, True, Step((0,), "hung"), False),
        (None, True, Step((0,), "hung"), False),
    ],
)
def test_what_is_to_be_expected(ending: Ending | None, is_streamed: bool, step: Step, is_fine: bool) -> None:
    load = Load(1, seed=1, asked=[Asked(NAME, is_streamed, 0, 0, ending)])
    if is_fine:
        load.assert_only_to_be_expected([step])
    else:
        with pytest.raises(AssertionError):
            load.assert_only_to_be_expected([step])


def test_engines_are_asked_to_count() -> None:
    ways = served_ways()
    assert {way.path for way in ways} == {"/v1/chat/completions", "/v1/messages", "/api/chat"}
    for way in ways:
        ask = way.prompt("c3-7")
        assert ask["messages"][0]["content"] == "Count from 3 to 9."
        assert counted(way, "c3-7") == "3, 4, 5, 6, 7, 8, 9"


def test_its_settings_are_settings() -> None:
    assert Settings(health=HEALTH).health.breaker_failures == HEALTH["breaker_failures"]
