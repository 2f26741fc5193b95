"""The local models that settings ask for, and what starts their engines."""

import sys
from pathlib import Path

import pytest

from remuda.app.exits import CommandError, Exit
from remuda.app.local_models import launcher_of, local_models_of
from remuda.app.settings import Settings
from remuda.core.clock import SystemClock
from remuda.engines.launch import EngineSettings
from remuda.engines.llamacpp.process import LlamaServerLauncher, XllamaLauncher
from remuda.engines.tiny import CHAT

CLOCK = SystemClock()


def test_the_tiny_models_unless_others_are_named() -> None:
    assert [model.name for model in local_models_of(Settings())] == ["remuda-tiny", "remuda-tiny-embed"]
    assert [model.name for model in local_models_of(Settings(models={"paths": [CHAT]}))] == ["remuda-tiny"]
    assert local_models_of(Settings(upstreams=[{"url": "http://h"}])) == []


def test_every_engine_setting_reaches_the_engine() -> None:
    llamacpp = {"n_parallel": 3, "n_ctx": 512, "n_threads": 5, "n_gpu_layers": 7, "n_batch": 64}
    (model,) = local_models_of(Settings(models={"paths": [CHAT]}, llamacpp=llamacpp))
    assert model.settings == EngineSettings(slots=3, context=512, threads=5, gpu_layers=7, batch=64)


def test_a_path_without_a_model_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nope\.gguf: no such file") as caught:
        local_models_of(Settings(models={"paths": [tmp_path / "nope.gguf"]}))
    assert caught.value.code is Exit.ENGINE


def test_the_built_in_engine_unless_a_program_is_named(tmp_path: Path) -> None:
    assert isinstance(launcher_of(Settings(data_dir=tmp_path), CLOCK), XllamaLauncher)
    named = Settings(data_dir=tmp_path, llamacpp={"llama_server": sys.executable})
    assert isinstance(launcher_of(named, CLOCK), LlamaServerLauncher)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_program_that_is_none_ends_the_start(tmp_path: Path, is_there: bool) -> None:
    program = tmp_path / "llama-server"
    if is_there:
        program.touch()
    with pytest.raises(CommandError, match="is not an executable program" if is_there else "does not exist") as caught:
        launcher_of(Settings(data_dir=tmp_path, llamacpp={"llama_server": program}), CLOCK)
    assert caught.value.code is Exit.ENGINE
