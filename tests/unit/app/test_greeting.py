"""What a person sees when the gateway is up."""

import io
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from remuda.app.greeting import LoadBars, base_url, greet
from remuda.app.settings import Settings
from remuda.core.hosts import Bind
from remuda.engines.launch import LoadProgress, LocalModel, Stage
from remuda.engines.local import LocalModelState, Phase


def said(*, needs_key: bool, model: str | None = "remuda-tiny", problem: str | None = None) -> str:
    out = io.StringIO()
    greet(Console(file=out, width=40), "http://127.0.0.1:7368", model, needs_key=needs_key, problem=problem)
    return out.getvalue()


def test_no_address_is_broken_in_two_on_a_narrow_terminal():
    assert "Remuda is at http://127.0.0.1:7368  (OpenAI base URL: http://127.0.0.1:7368/v1)\n" in said(needs_key=False)


def test_the_curl_can_be_pasted():
    command = said(needs_key=False).partition("Try it:")[2].partition("Ctrl-C")[0].replace("\\\n", " ")
    words = shlex.split(command)
    assert words[:2] == ["curl", "http://127.0.0.1:7368/v1/chat/completions"]
    assert json.loads(words[-1])["model"] == "remuda-tiny"


def test_a_key_is_asked_for_where_one_is_needed():
    assert re.search("Authorization: Bearer", said(needs_key=True))
    assert not re.search("Authorization", said(needs_key=False))


def test_nobody_is_told_to_try_what_cannot_answer():
    words = said(needs_key=False, problem="m cannot be served: no [memory]")
    assert "m cannot be served: no [memory]\n" in words
    assert "http://127.0.0.1:7368" in words
    assert "Try it" not in words
    assert "curl" not in words


@pytest.mark.parametrize(
    ("bound", "shown"),
    [
        (Bind("127.0.0.1", 7368), "http://127.0.0.1:7368"),
        (Bind("127.0.0.2", 1), "http://127.0.0.2:1"),
        (Bind("::1", 1), "http://[::1]:1"),
        (Bind("0.0.0.0", 1), "http://127.0.0.1:1"),
        (Bind("::", 1), "http://127.0.0.1:1"),
        (Bind("10.0.0.5", 1), "http://10.0.0.5:1"),
    ],
)
def test_the_address_is_one_that_is_listened_on(bound: Bind, shown: str):
    assert base_url(Settings(), [bound]) == shown


def loading() -> LocalModelState:
    progress = LoadProgress(Stage.LOADING_WEIGHTS, 50)
    return LocalModelState(LocalModel("tiny", Path("tiny.gguf")), Phase.LOADING, progress=progress)


@pytest.mark.parametrize("is_terminal", [False, True])
def test_bars_are_for_terminals_alone(*, is_terminal: bool):
    out = io.StringIO()
    with LoadBars(Console(file=out, force_terminal=is_terminal, width=80)) as bars:
        bars.changed(loading())
        bars.changed(replace(loading(), phase=Phase.RUNNING, progress=None))
    assert ("loading" in out.getvalue()) is is_terminal
