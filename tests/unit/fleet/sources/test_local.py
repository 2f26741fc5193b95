"""The states of local models become replicas."""

from dataclasses import replace
from pathlib import Path

import pytest

from remuda.core.address import Address
from remuda.engines.launch import EngineKind, LocalModel, ModelFacts
from remuda.engines.llamacpp.adapter import LlamaCpp
from remuda.engines.local import LocalModelState, Phase
from remuda.fleet.registry import Failed, FleetChange, Served
from remuda.fleet.replica import Deadlines, ReplicaState
from remuda.fleet.sources.local import LocalSource, size_of

IDLE = LocalModelState(LocalModel("m", Path("m.gguf")), Phase.REGISTERED)
RUNNING = replace(IDLE, phase=Phase.RUNNING, address=Address("localhost", 80), slots=3, context=512, api_key="secret")


def source() -> tuple[LocalSource, list[FleetChange]]:
    said: list[FleetChange] = []
    return LocalSource({EngineKind.LLAMA_CPP: LlamaCpp()}, said.append, Deadlines()), said


def served(change: FleetChange) -> Served:
    assert isinstance(change, Served)
    return change


def test_a_model_that_is_not_loaded_is_offered_without_a_replica():
    local, said = source()
    local.changed(IDLE)
    assert (served(said[-1]).offered, served(said[-1]).replicas) == (("m",), ())


def test_a_running_one_is_a_replica_with_its_slots_and_its_engines_key():
    local, said = source()
    local.changed(RUNNING)
    [replica] = served(said[-1]).replicas
    assert (replica.id, replica.slots.total, replica.context_length) == ("local/m", 3, 512)
    assert replica.headers == ((b"Authorization", b"Bearer secret"),)
    assert not local.is_busy("m")
    replica.slots.in_use = 1
    assert local.is_busy("m")


def test_one_that_is_being_unloaded_takes_nothing_new_and_then_goes():
    local, said = source()
    local.changed(RUNNING)
    local.changed(replace(RUNNING, phase=Phase.UNLOADING))
    assert [replica.state for replica in served(said[-1]).replicas] == [ReplicaState.DRAINING]
    local.changed(IDLE)
    assert served(said[-1]).replicas == ()


def test_whoever_waits_for_one_that_cannot_be_loaded_is_told_why():
    local, said = source()
    local.changed(replace(IDLE, phase=Phase.ERROR, reason="no memory"))
    failed = said[-1]
    assert isinstance(failed, Failed)
    assert "no memory" in failed.fault.message
    assert failed.fault.retry_after_s == 5
    local.changed(replace(IDLE, phase=Phase.ERROR, reason="no memory", retry_after_s=64))
    failed = said[-1]
    assert isinstance(failed, Failed)
    assert failed.fault.retry_after_s == 64


def test_one_that_crashes_is_started_again_and_another_replica_stands_for_it():
    local, said = source()
    local.changed(RUNNING)
    [first] = served(said[-1]).replicas
    assert first.is_restarted
    local.changed(replace(IDLE, phase=Phase.LOADING))
    local.changed(RUNNING)
    [second] = served(said[-1]).replicas
    assert second is not first


def test_what_its_file_says_is_told_whether_it_is_loaded_or_not():
    facts = ModelFacts(30, 0.5, "abc", "llama", 7_240_000_000, "Q4_K_M", 8192, ("completion",), (("a.b", 1),))
    known = LocalModel("m", Path("m.gguf"), facts=facts)
    local, said = source()
    local.changed(replace(IDLE, model=known))
    told = served(said[-1]).told["m"]
    assert (told.size_bytes, told.digest, told.modified_at) == (30, "abc", "1970-01-01T00:00:00.500000Z")
    assert (told.format, told.family, told.families, told.quantization) == ("gguf", "llama", ("llama",), "Q4_K_M")
    assert (told.parameter_size, told.capabilities, told.trained_context) == ("7.2B", ("completion",), 8192)
    assert told.info == (("a.b", 1),)
    local.changed(replace(RUNNING, model=known))
    assert [replica.told for replica in served(said[-1]).replicas] == [told]


@pytest.mark.parametrize(
    ("parameters", "written"),
    [(8_000_000_000, "8B"), (7_240_000_000, "7.2B"), (494_032_768, "494.03M"), (918_656, "919K"), (12, "12")],
)
def test_numbers_of_weights_are_written_as_ollama_does(parameters: int, written: str) -> None:
    assert size_of(parameters) == written
