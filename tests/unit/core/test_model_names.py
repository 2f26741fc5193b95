"""Names with the tag `:latest` and without it."""

from remuda.core.model_names import plain_model, twin_of


def test_one_model_has_two_names():
    assert (twin_of("llama2"), twin_of("llama2:latest")) == ("llama2:latest", "llama2")
    assert plain_model("llama2:latest") == plain_model("llama2") == "llama2"
