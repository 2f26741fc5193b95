"""A comparison in the document's shape, and what is asked for in forms."""

from typing import Any

import msgspec
import pytest

from remuda.core.comparison import Comparison, ComparisonState, Results, Run, RunState, Side, SideResult
from remuda.core.faults import InvalidRequest
from remuda.dialects.observe.comparisons import shown, shown_whole, wanted_in
from remuda.dialects.observe.forms import Fields
from remuda.jobs.comparisons import Replay, Wanted

A = SideResult(1, 0, 1.2, 0.3, 125.0, 150, 50_000_000, 160, 50_000_000)
B = SideResult(1, 0, 1.8, None, 111.1116, 200.5, 80_000_000, 210, 80_000_000)
COMPARISON = Comparison(
    id=1,
    key_id="k",
    name="LLaMA vs GPT4All",
    model_a="llama2",
    model_b="gpt4all",
    source="prompt",
    prompt="Explain quantum computing",
    prompts=1,
    repeats=1,
    parameters={"max_tokens": 9},
    state=ComparisonState.DONE,
    total=2,
    done=2,
    winner="model_a",
    reasons=["because"],
    error=None,
    results=Results(A, B, {"model_a": 1, "model_b": 0, "tie": 0}),
    created_at=1737108000.0,
    started_at=1737108001.0,
    ended_at=None,
)
EXAMPLE = {
    "id": 1,
    "comparison_name": "LLaMA vs GPT4All",
    "model_a": "llama2",
    "model_b": "gpt4all",
    "test_prompt": "Explain quantum computing",
    "result_a_latency": 1200.0,
    "result_b_latency": 1800.0,
    "result_a_tokens": 150,
    "result_b_tokens": 200.5,
    "result_a_cost": 0.05,
    "result_b_cost": 0.08,
    "winner": "model_a",
    "created_at": "2025-01-17T10:00:00Z",
}


def test_the_documents_own_example():
    found = msgspec.to_builtins(shown(COMPARISON, "said by a"))
    assert {name: found[name] for name in EXAMPLE} == EXAMPLE
    assert (found["answer_a"], found["answer_b"], found["reasons"]) == ("said by a", None, ["because"])
    assert found["side_b"]["tokens_per_second"] == 111.112
    assert (found["started_at"], found["ended_at"]) == ("2025-01-17T10:00:01Z", None)


def test_one_that_is_under_way_has_no_results():
    found = msgspec.to_builtins(shown(COMPARISON._replace(results=None, winner=None, started_at=None)))
    assert all(found[name] is None for name in EXAMPLE if name.startswith("result_"))
    assert (found["winner"], found["wins"], found["started_at"]) == (None, None, None)


def test_its_runs():
    runs = [
        Run(0, Side.A, 0, 0, RunState.DONE, "t1", 7, 0.5, 0.1, 5, 10, 20, "said"),
        Run(1, Side.B, 0, 0, RunState.RUNNING, "t2"),
    ]
    found = msgspec.to_builtins(shown_whole(COMPARISON, runs, 3))
    assert found["progress"] == {"done": 2, "total": 2, "position": 3}
    assert (found["answer_a"], found["answer_b"]) == ("said", None)
    first, second = found["runs"]
    assert first == {
        "model": "llama2",
        "prompt": 0,
        "repeat": 0,
        "state": "done",
        "latency": 500.0,
        "time_to_first_token": 100.0,
        "tokens_per_second": 20.0,
        "prompt_tokens": 5,
        "completion_tokens": 10,
        "cost": 2e-8,
        "answer": "said",
        "error": None,
        "task_id": "t1",
        "log_id": 7,
    }
    assert (second["model"], second["state"], second["latency"]) == ("gpt4all", "running", None)


FORM: dict[str, Any] = {"comparison_name": "n", "model_a": "a", "model_b": "b"}


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        ({"test_prompt": "Hi"}, {"test_prompt": "Hi"}),
        (
            {"test_prompt": "Hi", "repeats": "3", "temperature": "0.5", "max_tokens": "9", "seed": "7"},
            {"test_prompt": "Hi", "repeats": 3, "temperature": 0.5, "max_tokens": 9, "seed": 7},
        ),
        ({"prompts": ["Hi"]}, {"prompts": ["Hi"]}),
        ({"prompts": '["Hi"]'}, {"prompts": ["Hi"]}),
        ({"prompts": [[{"role": "user", "content": "Hi"}]]}, {"prompts": [[{"role": "user", "content": "Hi"}]]}),
        ({"replay": 5}, {"replay": Replay("a", 5)}),
        ({"replay": "5", "replay_model": "c"}, {"replay": Replay("c", 5)}),
        ({"file_id": "file-1"}, {"file_id": "file-1"}),
    ],
)
def test_what_is_asked_for(sent: dict[str, Any], wanted: dict[str, Any]):
    assert wanted_in(Fields(FORM | sent)) == Wanted("n", "a", "b", **wanted)


@pytest.mark.parametrize(
    ("sent", "parameter"),
    [
        ({"model_a": None}, "model_a"),
        ({"comparison_name": "x" * 201}, "comparison_name"),
        ({"prompts": ["Hi", 7]}, "prompts"),
        ({"prompts": [""]}, "prompts"),
        ({"prompts": [[]]}, "prompts"),
        ({"prompts": [[{"content": "Hi"}]]}, "prompts"),
        ({"prompts": {"a": 1}}, "prompts"),
        ({"replay": 0}, "replay"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"seed": -1}, "seed"),
        ({"repeats": 1.5}, "repeats"),
        ({"temperature": True}, "temperature"),
    ],
)
def test_what_is_none(sent: dict[str, Any], parameter: str):
    with pytest.raises(InvalidRequest) as refused:
        wanted_in(Fields(FORM | sent))
    assert refused.value.parameter == parameter
