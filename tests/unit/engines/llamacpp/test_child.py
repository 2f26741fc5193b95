"""The child's own code, in this process; what it does as a process is in test_process."""

from typing import Any

import pytest

from remuda.engines.children.parent import KEY_VARIABLE
from remuda.engines.llamacpp import child

CONFIG: dict[str, Any] = {
    "model": "/srv/m.gguf",
    "name": "m",
    "socket": "/run/m.sock",
    "slots": 3,
    "context": 100,
    "batch": 64,
    "threads": 2,
    "gpu_layers": -1,
    "prompt_cache_mib": 5,
    "pooling": None,
}


@pytest.fixture
def engine() -> Any:
    return pytest.importorskip("xllamacpp")


def test_the_pinned_engine_takes_every_parameter(engine: Any) -> None:
    params = child.parameters(engine, CONFIG)
    assert (params.n_parallel, params.n_ctx, params.n_batch, params.n_ubatch) == (3, 300, 64, 64)
    assert params.hostnames == ["/run/m.sock"]
    assert params.use_jinja
    assert params.endpoint_slots
    assert params.endpoint_metrics
    assert params.offline
    assert not params.ui
    assert not params.embedding
    assert (params.enable_reasoning, params.cache_ram_mib) == (0, 5)
    assert not params.kv_unified
    assert params.load_mode == engine.llama_load_mode.LLAMA_LOAD_MODE_NONE
    assert list(params.api_keys) == []


def test_loopback_with_a_key_and_embeddings(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "k")
    params = child.parameters(engine, {**CONFIG, "socket": None, "pooling": "LAST"})
    assert (params.hostnames, params.port, list(params.api_keys)) == (["127.0.0.1"], 0, ["k"])
    assert params.embedding
    assert params.pooling_type == engine.llama_pooling_type.LLAMA_POOLING_TYPE_LAST


def test_a_parameter_that_another_version_lacks_is_left_out() -> None:
    class Older:
        known = 1

    target = Older()
    child.set_if_present(target, "known", 2)
    child.set_if_present(target, "unknown", 3)
    assert vars(target) == {"known": 2}
