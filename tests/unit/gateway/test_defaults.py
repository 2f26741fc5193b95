"""What a request gets that does not say otherwise."""

import json
from typing import Any

import msgspec
import pytest

from remuda.core.ask import Ask, Native, Operation
from remuda.gateway.defaults import Defaults

DEFAULTS = Defaults(
    {"m": {"temperature": 0.2, "max_tokens": 5, "chat_template_kwargs": {"a": [1]}}, "alias": {"temperature": 0.9}}
)


def applied(body: dict[str, Any], *, named: str = "m", operation: Operation = Operation.CHAT) -> Any:
    ask = Ask(operation, named, False, False, 1, json.dumps(body).encode())
    DEFAULTS.apply(ask, "m")
    return json.loads(ask.body)


def test_what_is_not_said_is_filled_in() -> None:
    assert applied({"messages": []}) == {
        "messages": [],
        "temperature": 0.2,
        "max_tokens": 5,
        "chat_template_kwargs": {"a": [1]},
    }


def test_either_name_of_a_model_will_do() -> None:
    asked = Ask(Operation.CHAT, "else", False, False, 1, b"{}")
    DEFAULTS.apply(asked, "m:latest")
    assert json.loads(asked.body)["temperature"] == 0.2
    assert applied({}, named="alias:latest")["temperature"] == 0.9


def test_what_is_said_stays_also_where_it_is_null() -> None:
    body = {"temperature": None, "max_tokens": 7, "chat_template_kwargs": {}}
    assert applied(body) == body


def test_other_names_of_the_same_count() -> None:
    assert "max_tokens" not in applied({"max_completion_tokens": 9})


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_a_bound_has_the_name_that_the_api_gives_it(name: str) -> None:
    defaults = Defaults({"m": {name: 5}})
    for operation, expected in (
        (Operation.RESPONSE, "max_output_tokens"),
        (Operation.CHAT, "max_tokens" if name == "max_output_tokens" else name),
    ):
        ask = Ask(operation, "m", False, False, 1, b"{}")
        defaults.apply(ask, "m")
        assert json.loads(ask.body) == {expected: 5}
    assert applied({"max_output_tokens": 9}, operation=Operation.RESPONSE) == {
        "max_output_tokens": 9,
        "temperature": 0.2,
        "chat_template_kwargs": {"a": [1]},
    }


def test_a_client_that_wants_no_bound_gets_none() -> None:
    ask = Ask(Operation.CHAT, "m", False, False, 1, b"{}", is_unbounded=True)
    DEFAULTS.apply(ask, "m")
    assert set(json.loads(ask.body)) == {"temperature", "chat_template_kwargs"}


def test_the_dialects_own_words_are_filled_in_by_the_dialect() -> None:
    native = Native(
        "ollama", "/api/chat", b"mine", True, with_defaults=lambda body, wanted: body + wanted["temperature"]
    )
    ask = Ask(Operation.CHAT, "alias", True, True, 1, b"{}", native=native)
    DEFAULTS.apply(ask, "m")
    assert ask.native is not None
    assert ask.native.body == b"mine0.9"
    untouched = ask.native = msgspec.structs.replace(native, with_defaults=None)
    DEFAULTS.apply(ask, "m")
    assert ask.native is untouched


def test_an_aliass_come_before_its_models() -> None:
    assert applied({}, named="alias")["temperature"] == 0.9
    assert applied({}, named="alias")["max_tokens"] == 5


@pytest.mark.parametrize("operation", [Operation.EMBEDDING, Operation.RERANK, Operation.COUNT_TOKENS])
def test_only_what_generates_has_parameters(operation: Operation) -> None:
    assert applied({"input": "x"}, operation=operation) == {"input": "x"}


def test_other_models_and_bodies_that_are_none_are_left_alone() -> None:
    ask = Ask(Operation.CHAT, "other", False, False, 1, b"{}")
    DEFAULTS.apply(ask, "other")
    assert ask.body == b"{}"
    ask = Ask(Operation.CHAT, "m", False, False, 1, b"[]")
    DEFAULTS.apply(ask, "m")
    assert ask.body == b"[]"
