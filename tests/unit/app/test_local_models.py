"""The local models that settings ask for, and what starts their engines."""

import sys
from pathlib import Path

import pytest

from remuda.app.exits import CommandError, Exit
from remuda.app.local_models import launcher_of, llamacpp_launcher_of, local_models_of, transformers_models
from remuda.app.settings import Settings
from remuda.core.clock import SystemClock
from remuda.engines.launch import EngineKind, EngineSettings
from remuda.engines.llamacpp.process import LlamaServerLauncher, XllamaLauncher
from remuda.engines.tiny import CHAT
from tests.fixtures.converted import need_transformers, write_hollow

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
    assert isinstance(llamacpp_launcher_of(Settings(data_dir=tmp_path), CLOCK), XllamaLauncher)
    named = Settings(data_dir=tmp_path, llamacpp={"llama_server": sys.executable})
    assert isinstance(llamacpp_launcher_of(named, CLOCK), LlamaServerLauncher)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_program_that_is_none_ends_the_start(tmp_path: Path, is_there: bool) -> None:
    program = tmp_path / "llama-server"
    if is_there:
        program.touch()
    with pytest.raises(CommandError, match="is not an executable program" if is_there else "does not exist") as caught:
        launcher_of(Settings(data_dir=tmp_path, llamacpp={"llama_server": program}), CLOCK)
    assert caught.value.code is Exit.ENGINE


def test_models_in_transformers_format_with_their_own_settings(tmp_path: Path) -> None:
    folder = write_hollow(tmp_path / "mine")
    wanted = {"models": [str(folder), "org/name"], "slots": 2, "context": 512, "threads": 3, "device": "cpu"}
    mine, of_hub = transformers_models(Settings(transformers=wanted))
    assert mine.settings == of_hub.settings == EngineSettings(slots=2, context=512, threads=3, device="cpu")
    assert (mine.name, mine.path, mine.engine, mine.hub_name) == ("mine", folder, EngineKind.TRANSFORMERS, None)
    assert (of_hub.name, of_hub.engine, of_hub.hub_name) == ("org/name", EngineKind.TRANSFORMERS, "org/name")


def test_they_stand_beside_the_others(tmp_path: Path) -> None:
    need_transformers()
    folder = write_hollow(tmp_path / "mine")
    settings = Settings(models={"paths": [CHAT, folder]}, transformers={"models": [str(folder), "gpt2"], "slots": 2})
    models = local_models_of(settings)
    assert [(model.name, model.engine.value, model.settings.slots) for model in models] == [
        ("remuda-tiny", "llama.cpp", 4),
        ("mine", "transformers", 2),
        ("gpt2", "transformers", 2),
    ]


def test_no_two_of_one_name(tmp_path: Path) -> None:
    one, other = write_hollow(tmp_path / "a" / "m"), write_hollow(tmp_path / "b" / "m")
    with pytest.raises(CommandError, match="would both be called m"):
        local_models_of(Settings(models={"paths": [one]}, transformers={"models": [str(other)]}))


def test_without_the_extra_the_start_ends_and_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # what Python itself does to make an import fail
    for settings in (
        Settings(models={"paths": [write_hollow(tmp_path / "m")]}),
        Settings(transformers={"models": ["gpt2"]}),
    ):
        with pytest.raises(CommandError, match=r"pip install 'remuda\[transformers\]'") as caught:
            local_models_of(settings)
        assert caught.value.code is Exit.ENGINE
    assert local_models_of(Settings())


async def test_each_kind_of_model_is_looked_at_by_its_own_launcher(tmp_path: Path) -> None:
    launcher = launcher_of(Settings(data_dir=tmp_path), CLOCK)
    (tiny,) = local_models_of(Settings(models={"paths": [CHAT]}))
    (mine,) = transformers_models(Settings(transformers={"models": [str(write_hollow(tmp_path / "mine"))]}))
    assert len(await launcher.stamp(tiny)) == 1
    assert len(await launcher.stamp(mine)) == 2
