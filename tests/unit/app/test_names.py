"""What names of models stand for."""

import pytest

from remuda.app.names import canonical_in, one_model_in
from remuda.core.faults import InvalidRequest
from remuda.fleet.registry import Aliased, Fleet, Served
from tests.unit.fleet.samples import replica


@pytest.fixture
def fleet() -> Fleet:
    made = Fleet()
    made.apply(Served("s", (replica("r1", "llama2:latest"), replica("r2", "qwen"))))
    made.apply(Aliased({"fast": ("llama2:latest",), "any": ("qwen", "llama2:latest")}))
    return made


def test_requests_are_recorded_under_the_models_own_name(fleet):
    canonical = canonical_in(fleet)
    assert [canonical(name) for name in ("llama2", "fast", "qwen:latest", "nobody")] == [
        "llama2:latest", "llama2:latest", "qwen", "nobody",
    ]  # fmt: skip


def test_what_is_said_of_one_model_is_not_said_of_several(fleet):
    one_model = one_model_in(fleet)
    assert [one_model(name) for name in ("llama2", "fast", "nobody", "*")] == [
        "llama2:latest",
        "llama2:latest",
        "nobody",
        "*",
    ]
    with pytest.raises(InvalidRequest, match="several models, each of which has its own: qwen, llama2:latest"):
        one_model("any")
