import math
from dataclasses import replace

import msgspec
import pytest

from remuda.dialects.openai.facts import facts_of, keep_within, no_expiry
from remuda.dialects.openai.models import listed
from remuda.dialects.openai.schemas import ModelDetails, ModelFacts
from remuda.fleet.model import Model
from remuda.fleet.replica import Replica, Told
from remuda.fleet.sources.offers import listed as read
from remuda.outbound.http import MAX_ANSWER_BYTES
from tests.fixtures.asgi import fleet_of, replica

TOLD = Told(
    size_bytes=5,
    digest="d",
    modified_at="2026-01-01T00:00:00Z",
    format="gguf",
    family="llama",
    families=("llama", "clip"),
    parameter_size="8.0B",
    quantization="Q4_0",
    parent="p",
    capabilities=("completion", "tools"),
    trained_context=8192,
    is_running=True,
    size_vram_bytes=3,
    expires_at="2026-01-01T00:05:00Z",
)


def telling(told: Told | None, model: str = "m") -> Replica:
    made = replica(model)
    made.told = told
    return made


@pytest.mark.parametrize(
    "told",
    [
        TOLD,
        Told(capabilities=(), is_running=False),
        replace(TOLD, is_running=None, capabilities=None),
        Told(family="llama"),
    ],
)
def test_another_remuda_reads_what_the_server_told(told: Told) -> None:
    answer = msgspec.json.decode(msgspec.json.encode(listed(fleet_of(telling(told)), askers={"asker"})))
    offers = read(answer)
    assert offers is not None
    assert offers["m"].told == told


def test_what_nobody_tells_is_left_out() -> None:
    facts = facts_of(Model("m"), [telling(None)], True, no_expiry)
    assert msgspec.json.encode(facts) == b"{}"


def test_a_model_that_nobody_has_loaded_is_not_running() -> None:
    for replicas in ([], [telling(replace(TOLD, is_running=False))]):
        facts = facts_of(Model("m"), replicas, True, no_expiry)
        assert (facts.running, facts.size_vram, facts.expires_at) == (False, None, "")


@pytest.mark.parametrize(
    ("is_own", "at", "said"),
    [(True, 1_700_000_000.5, "2023-11-14T22:13:20Z"), (True, math.inf, ""), (True, None, ""), (False, 1.0, "")],
)
def test_our_own_expire_when_they_will_be_unloaded(is_own: bool, at: float | None, said: str) -> None:
    assert facts_of(Model("m"), [telling(None)], is_own, {"m": at}.get).expires_at == said


def test_a_source_tells_of_its_models_whether_they_are_loaded_or_not() -> None:
    model = Model("m", told=TOLD)
    assert facts_of(model, [], True, no_expiry).details == ModelDetails(
        "gguf", "llama", ["llama", "clip"], "8.0B", "Q4_0", "p"
    )
    assert facts_of(model, [], False, no_expiry) == ModelFacts(running=False)


def test_a_list_with_facts_is_no_longer_than_it_may_be() -> None:
    fleet = fleet_of(*(telling(TOLD, name) for name in "abc"))
    for has_facts in ([True, True, True], [True, True, False], [False, False, False]):
        entries = listed(fleet, askers={"asker"}).data
        missing = has_facts.count(False) * len(msgspec.json.encode(entries[0].remuda.facts))
        bound = len(msgspec.json.encode(entries)) - missing
        keep_within(entries, bound)
        assert [entry.remuda.facts is not None for entry in entries] == has_facts
        assert len(msgspec.json.encode(entries)) <= bound


def test_a_list_of_any_size_can_be_read() -> None:
    told = replace(TOLD, capabilities=("x" * 256,) * 32)
    answer = msgspec.json.encode(listed(fleet_of(*(telling(told, f"m{n:03}") for n in range(600))), askers={"asker"}))
    assert MAX_ANSWER_BYTES - 20_000 < len(answer) <= MAX_ANSWER_BYTES
    offers = read(msgspec.json.decode(answer))
    assert offers is not None
    assert len(offers) == 600
