"""`x` and `x:latest` are one model, whoever says which."""

from itertools import permutations

import pytest

from remuda.core.faults import EngineDown
from remuda.fleet.model import Model
from remuda.fleet.names import Names
from remuda.fleet.registry import WILDCARD, Aliased, Asking, Failed, Fleet, FleetChange, Gone, Remembered, Served
from remuda.fleet.replica import Slots
from tests.unit.fleet.samples import replica
from tests.unit.fleet.test_registry import Waiter, names_of, waiting

TAGGED = Served("ollama", (replica("ollama", "m:latest"),), offered=("m:latest",))
PLAIN = Served("vllm", (replica("vllm", "m"),), offered=("m",))


def fleet_of(*changes: FleetChange, **aliases: str | list[str]) -> Fleet:
    fleet = Fleet(aliases)
    for change in changes:
        fleet.apply(change)
    return fleet


def listed(fleet: Fleet) -> list[str]:
    return [model.name for model in fleet.offered()]


def test_a_model_goes_by_either_name_and_is_there_once() -> None:
    names = Names()
    model = Model("m:latest")
    names.add(model)
    assert names.meant == {"m": model, "m:latest": model}
    names.also(model, "m")
    names.also(model, "m:latest")
    assert (model.name, list(names), names["m:latest"]) == ("m", [model], model)
    assert names.called("m:latest:latest") is None


def test_names_are_left_to_aliases_and_come_back() -> None:
    names = Names()
    model = Model("m:latest")
    names.add(model)
    names.leave(["m", "else"])
    assert names.meant == {"m:latest": model}
    assert names.called("m") is model
    names.leave([])
    assert set(names.meant) == {"m", "m:latest"}


def test_nothing_else_is_the_wildcard_and_a_tag_twice_is_a_name_of_its_own() -> None:
    names = Names()
    for name in (WILDCARD, f"{WILDCARD}:latest", "m", "m:latest:latest"):
        assert names.called(name) is None
        names.add(Model(name))
    assert {name: model.name for name, model in names.meant.items()} == {
        "*": "*", "*:latest": "*:latest", "m": "m", "m:latest": "m", "m:latest:latest": "m:latest:latest",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["m", "m:latest"])
def test_all_who_have_it_serve_it_by_either_name(name: str) -> None:
    fleet = fleet_of(TAGGED, PLAIN)
    model = fleet.find(name)
    assert model is not None
    assert [(each.id, each.upstream_model) for each in model.replicas] == [
        ("ollama/m:latest", "m:latest"),
        ("vllm/m", "m"),
    ]
    assert [fleet.name_of(each.model) for each in model.replicas] == ["m", "m"]
    assert fleet.name_of("unheard of") == "unheard of"
    assert listed(fleet) == ["m"]
    assert len(list(fleet.replicas())) == 2
    fleet.apply(Served("vllm", ()))
    assert names_of(fleet.find(name)) == ["ollama/m:latest"]
    fleet.apply(Gone("ollama"))
    assert (fleet.find(name), names_of(model), fleet.is_offering) == (model, [], False)


@pytest.mark.parametrize("order", [*permutations([TAGGED, PLAIN, Remembered("old", ("m:latest", "m"))])])
def test_what_it_is_called_does_not_depend_on_who_came_first_nor_on_who_is_there(
    order: tuple[FleetChange, ...],
) -> None:
    fleet = fleet_of(*order)
    for gone in ("vllm", "ollama"):
        assert [model.name for model in fleet.models()] == ["m"]
        fleet.apply(Gone(gone))
    assert [model.name for model in fleet.models()] == ["m"]


def test_it_has_the_tag_as_long_as_all_say_so() -> None:
    fleet = fleet_of(Remembered("ollama", ("m:latest",)), TAGGED)
    model = fleet.find("m")
    assert model is not None
    assert (listed(fleet), fleet.knows("m"), fleet.knows("m:latest")) == (["m:latest"], True, True)
    fleet.apply(PLAIN)
    assert (fleet.find("m:latest"), model.name) == (model, "m")


def test_who_waits_by_either_name_is_woken_and_fails_with_all_others() -> None:
    fleet = fleet_of(Served("here", (), offered=("m:latest",)), Served("there", (), offered=("m",)))
    one, other = fleet.find("m"), fleet.find("m:latest")
    assert one is other is not None
    first, second, last = Waiter(), Waiter(), Waiter()
    waiting(fleet, one, first, second)
    tagged = replica("here", "m:latest", slots=Slots(1))
    fleet.apply(Served("here", (tagged,)))
    assert (first.woken, second.woken) == (1, 0)
    fleet.freed(tagged)
    assert second.woken == 1
    fleet.apply(Served("here", (), offered=("m:latest",)))
    waiting(fleet, one, last)
    fleet.apply(Failed("m:latest", EngineDown()))
    assert isinstance(last.fault, EngineDown)


def test_who_expected_it_by_one_name_gets_it_by_both() -> None:
    fleet = fleet_of(Asking("ollama"), Asking("vllm"))
    early = fleet.find("m:latest")
    fleet.apply(PLAIN)
    fleet.apply(TAGGED)
    assert early is not None
    assert (early.name, names_of(early), fleet.find("m")) == ("m", ["vllm/m", "ollama/m:latest"], early)


def test_aliases_mean_it_by_either_name() -> None:
    fleet = fleet_of(TAGGED, short="m", long="m:latest", both=["m", "m:latest"])
    model = fleet.find("m")
    assert [fleet.find(name) for name in ("short", "long", "both", "both:latest")] == [model] * 4
    assert names_of(model) == ["ollama/m:latest"]
    assert fleet.aliases() == {"short": "m", "long": "m", "both": "m"}
    assert listed(fleet) == ["m"]


def test_an_alias_that_is_the_other_name_says_nothing_new() -> None:
    fleet = fleet_of(TAGGED, m="m:latest")
    assert (fleet.aliases(), listed(fleet)) == ({}, ["m:latest"])
    assert names_of(fleet.find("m")) == ["ollama/m:latest"]


def test_an_alias_comes_before_the_other_name_of_a_model_but_not_before_its_own() -> None:
    other = Served("s", (replica("s", "other"),))
    fleet = fleet_of(TAGGED, other, Remembered("vllm", ("m",)), m="other")
    assert names_of(fleet.find("m")) == ["s/other"]
    assert names_of(fleet.find("m:latest")) == ["ollama/m:latest"]
    fleet.apply(PLAIN)
    assert names_of(fleet.find("m")) == names_of(fleet.find("m:latest")) == ["ollama/m:latest", "vllm/m"]
    fleet.apply(Gone("vllm"))
    assert names_of(fleet.find("m")) == ["s/other"]
    fleet.apply(Aliased({}))
    assert names_of(fleet.find("m")) == ["ollama/m:latest"]


def test_a_chain_that_begins_with_its_own_name_goes_on_to_the_next() -> None:
    fleet = fleet_of(TAGGED, Served("s", (replica("s", "other"),)), m=["m:latest", "other"])
    assert names_of(fleet.find("m")) == ["ollama/m:latest", "s/other"]
    fleet.apply(Served("ollama", ()))
    assert fleet.meant("m") is fleet.find("other")


def test_a_server_that_takes_any_name_does_not_take_the_other_name_of_what_is_known() -> None:
    fleet = fleet_of(Served("w", (replica("w", WILDCARD),)), TAGGED)
    assert names_of(fleet.find("m")) == ["ollama/m:latest"]
    fleet.apply(Gone("ollama"))
    assert names_of(fleet.find("m")) == names_of(fleet.find("m:latest")) == ["w/*"]
