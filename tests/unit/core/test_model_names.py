"""Names with the tag `:latest` and without it."""

from remuda.core.model_names import by_either_name, each_once, plain_model, twin_of


def test_one_model_has_two_names():
    assert (twin_of("llama2"), twin_of("llama2:latest")) == ("llama2:latest", "llama2")
    assert plain_model("llama2:latest") == plain_model("llama2") == "llama2"


def test_what_is_said_of_one_name_holds_for_the_other():
    assert by_either_name({"a": 1, "b:latest": 2}) == {"a": 1, "a:latest": 1, "b": 2, "b:latest": 2}
    assert by_either_name({"a": 1, "a:latest": 2}) == {"a": 1, "a:latest": 2}


def test_a_model_named_twice_is_taken_once():
    assert each_once(["b:latest", "a", "a:latest", "b"]) == ("b:latest", "a")
