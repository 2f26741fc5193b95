"""The fleet: what sources announce, what names mean, and who is woken."""

from remuda.core.address import parse_address
from remuda.core.faults import EngineDown, Fault, UnknownModel
from remuda.core.priority import Priority
from remuda.engines.openai.adapter import OpenAILike
from remuda.fleet.registry import (
    MAX_EXPECTED,
    MAX_UNSERVED,
    WILDCARD,
    Aliased,
    Asked,
    Asking,
    Failed,
    Fleet,
    Gone,
    Model,
    Remembered,
    Served,
)
from remuda.fleet.replica import Replica, ReplicaState, Slots, Told


def replica(name: str, *, model: str = "m", slots: Slots | None = None, context: int | None = None) -> Replica:
    return Replica(
        name,
        model=model,
        upstream_model=model,
        engine=OpenAILike(),
        address=parse_address("http://127.0.0.1:1/v1"),
        slots=slots or Slots(1),
        context_length=context,
    )


class Waiter:
    def __init__(self, takes: list[Replica] | None = None, *, waits: bool = True) -> None:
        self.key_id = ""
        self.weight = 1.0
        self.priority = Priority.NORMAL
        self.entered = 0.0
        self.wants: tuple[str, ...] = ()
        self.takes = takes if takes is not None else []
        self.waits = waits
        self.woken = 0
        self.fault: Fault | None = None

    def wake(self) -> bool | None:
        self.woken += 1
        return True if self.waits else None

    def fail(self, fault: Fault) -> None:
        self.fault = fault


def waiting(fleet: Fleet, model: Model, *waiters: Waiter) -> None:
    for waiter in waiters:
        fleet.enqueue(model, waiter, 0, 0.0)


def test_names() -> None:
    fleet = Fleet({"alias": "m", "nowhere": "none"})
    before = fleet.find("m")
    fleet.apply(Served("s", (replica("s/m"),), offered=("m", "offered")))
    model = fleet.find("m")
    assert model is not None
    assert model is before, "who waits for it since the start gets it"
    assert fleet.find("alias") is model
    assert fleet.find("other") is None
    assert [each.name for each in fleet.models()] == ["m", "none", "offered"]


def test_a_name_without_a_tag_means_the_latest() -> None:
    fleet = Fleet({"alias": "plain"})
    assert fleet.find("alias:latest") is fleet.find("plain"), "known from the start, as under its own name"
    fleet.apply(Served("s", (replica("s/a", model="plain"), replica("s/b", model="tagged:latest"))))
    for name, own in (("plain:latest", "plain"), ("tagged", "tagged:latest"), ("alias:latest", "plain")):
        model = fleet.find(name)
        assert model is not None
        assert model.name == own
    assert fleet.find("plain:7b") is None
    assert fleet.find("plain:latest:latest") is None
    fleet.apply(Served("s", ()))
    assert fleet.find("tagged") is fleet.find("tagged:latest") is not None, "known, though nobody offers it"


def test_the_tag_comes_before_a_server_that_takes_any_name() -> None:
    fleet = Fleet()
    fleet.apply(Served("s", (replica("s/a", model="plain"), replica("s/*", model=WILDCARD))))
    found = [fleet.find(name) for name in ("plain:latest", "else:latest")]
    assert [model.name for model in found if model is not None] == ["plain", WILDCARD]


def test_what_an_alias_stands_for_is_known_from_the_start() -> None:
    fleet = Fleet({"nowhere": "none"}, lambda: 5.0)
    model = fleet.find("nowhere")
    assert model is not None
    assert (model.name, model.replicas, model.is_offered, model.created_at) == ("none", (), False, 5)
    assert fleet.knows("nowhere")
    assert not fleet.is_offering


def test_a_name_once_known_stays_known() -> None:
    fleet = Fleet()
    fleet.apply(Served("s", (replica("s/m"),)))
    fleet.apply(Served("s", ()))
    model = fleet.find("m")
    assert model is not None
    assert model.replicas == ()


def test_the_wildcard_takes_what_nobody_else_knows() -> None:
    fleet = Fleet({"nowhere": "none"})
    fleet.apply(Served("s", (replica("s", model=WILDCARD),)))
    fleet.apply(Served("t", (replica("t/m"),)))
    wild, known = fleet.find("anything"), fleet.find("m")
    assert wild is not None
    assert known is not None
    assert (wild.name, known.name) == (WILDCARD, "m")
    assert [each.name for each in fleet.models()] == ["m", "none"]
    fleet.apply(Served("s", ()))
    assert fleet.find("anything") is None


def test_behind_an_alias_the_wildcard_is_told_the_models_name() -> None:
    fleet = Fleet({"short": "long", "other": "m"})
    wild = replica("s", model=WILDCARD)
    wild.weight = 3
    fleet.apply(Served("t", (replica("t/m"),)))
    fleet.apply(Served("s", (wild,)))
    model, other = fleet.find("short"), fleet.find("other")
    assert model is not None
    assert other is not None
    [stand_in] = model.replicas
    assert (stand_in.id, stand_in.upstream_model, stand_in.state) == ("s/long", "long", ReplicaState.ACTIVE)
    assert stand_in.slots is wild.slots
    assert stand_in.weight == wild.weight == 3
    assert [each.id for each in other.replicas] == ["t/m"], "somebody knows it"
    wild.state = ReplicaState.STANDBY
    fleet.apply(Served("s", (wild,)))
    assert model.replicas == (stand_in,)
    assert stand_in.state is ReplicaState.STANDBY
    fleet.apply(Served("t", (replica("t/long", model="long"),)))
    assert [each.id for each in model.replicas] == ["t/long"]
    fleet.apply(Served("t", ()))
    assert model.replicas == (stand_in,)
    fleet.apply(Served("s", ()))
    assert model.replicas == ()


def test_names_of_earlier_times_are_known_and_yet_not_offered() -> None:
    fleet = Fleet({"short": "m", "old": "elsewhere"})
    fleet.apply(Remembered("one", ("m", "old")))
    model = fleet.find("m")
    assert model is not None
    assert (model.owner, model.replicas, model.is_offered) == ("one", (), False)
    aliased = fleet.find("old")
    assert aliased is not None
    assert aliased.name == "elsewhere", "what settings say comes before what was once offered"
    fleet.apply(Served("two", (replica("two/m"),)))
    assert (model.owner, model.is_offered, fleet.is_offering) == ("two", True, True)
    assert fleet.find("short") is model


def test_the_wildcard_takes_what_was_once_offered_and_is_no_longer() -> None:
    fleet = Fleet()
    fleet.apply(Remembered("one", ("m",)))
    fleet.apply(Served("s", (replica("s", model=WILDCARD),)))
    wild = fleet.find("m")
    assert wild is not None
    assert wild.name == WILDCARD


def test_a_name_nobody_knows_is_expected_until_every_source_has_spoken() -> None:
    fleet = Fleet()
    for source in ("one", "two"):
        fleet.apply(Asking(source))
    there, never = fleet.find("there"), fleet.find("never")
    assert there is not None
    assert never is not None
    assert fleet.find("never") is never
    assert fleet.look_up("never") is None
    assert not fleet.knows("never")
    assert list(fleet.models()) == []
    glad, sad = Waiter(), Waiter()
    waiting(fleet, there, glad)
    waiting(fleet, never, sad)
    fleet.apply(Asked("one"))
    fleet.apply(Served("two", (replica("two/there", model="there"),)))
    assert (glad.woken, sad.fault) == (1, None)
    assert fleet.find("there") is there
    fleet.apply(Asked("two"))
    assert isinstance(sad.fault, UnknownModel)
    assert (sad.fault.parameter, sad.fault.received) == ("model", "never")
    assert fleet.find("never") is None


def test_while_nobody_offers_anything_any_name_is_waited_for() -> None:
    fleet = Fleet()
    fleet.apply(Asking("one"))
    fleet.apply(Asked("one"))
    there, never = fleet.find("there"), fleet.find("never")
    assert there is not None
    assert never is not None
    assert fleet.is_expecting
    assert fleet.look_up("never") is None
    glad, sad = Waiter(), Waiter()
    waiting(fleet, there, glad)
    waiting(fleet, never, sad)
    fleet.apply(Asking("two"))
    fleet.apply(Served("one", (replica("one/there", model="there"),)))
    assert (glad.woken, sad.fault) == (1, None), "the second has yet to speak"
    fleet.apply(Asked("two"))
    assert isinstance(sad.fault, UnknownModel)
    assert fleet.find("never") is None
    fleet.apply(Gone("one"))
    again = fleet.find("never")
    assert again is not None
    waiting(fleet, again, late := Waiter())
    fleet.apply(Served("two", (), offered=("there",)))
    assert isinstance(late.fault, UnknownModel), "it offers something else, and there is nobody left to speak"


def test_so_many_names_are_expected_and_no_more() -> None:
    fleet = Fleet()
    fleet.apply(Asking("one"))
    held = [fleet.find(f"m{number}") for number in range(MAX_EXPECTED)]
    for model in held:
        assert model is not None
        waiting(fleet, model, Waiter())
    assert fleet.find("one more") is None
    model = held[0]
    assert model is not None
    model.waiting.clear()
    assert fleet.find("one more") is not None, "nobody waits for the other any more"


def test_a_slot_that_comes_free_goes_to_who_expected_a_name_that_the_wildcard_takes() -> None:
    fleet = Fleet()
    fleet.apply(Asking("one"))
    model = fleet.find("m")
    assert model is not None
    first, second = Waiter(), Waiter()
    waiting(fleet, model, first, second)
    wild = replica("one", model=WILDCARD)
    fleet.apply(Served("one", (wild,)))
    fleet.apply(Asked("one"))
    assert (first.woken, second.woken, second.fault) == (1, 0, None)
    fleet.freed(wild)
    assert second.woken == 1


def test_each_source_replaces_only_what_it_said_itself() -> None:
    fleet = Fleet()
    fleet.apply(Served("s", (replica("s/m"),)))
    fleet.apply(Served("t", (replica("t/m"),)))
    fleet.apply(Served("s", (replica("s/m2"),)))
    model = fleet.find("m")
    assert model is not None
    assert sorted(each.id for each in model.replicas) == ["s/m2", "t/m"]
    assert len(list(fleet.replicas())) == 2


def test_as_many_are_woken_as_there_are_free_slots_first_come_first_served() -> None:
    fleet = Fleet()
    fleet.apply(Served("s", (), offered=("m",)))
    model = fleet.find("m")
    assert model is not None
    waiters = [Waiter() for _ in range(4)]
    waiting(fleet, model, *waiters)
    fleet.apply(Served("s", (replica("s/m", slots=Slots(2)),)))
    assert [each.woken for each in waiters] == [1, 1, 0, 0]


def test_who_no_longer_wants_a_slot_costs_nobody_one() -> None:
    fleet = Fleet()
    fleet.apply(Served("s", (), offered=("m",)))
    model = fleet.find("m")
    assert model is not None
    waiters = [Waiter(waits=False), Waiter(waits=False), Waiter(), Waiter()]
    waiting(fleet, model, *waiters)
    fleet.apply(Served("s", (replica("s/m"),)))
    assert [each.woken for each in waiters] == [1, 1, 1, 0]


def test_replicas_that_are_not_active_wake_nobody() -> None:
    fleet = Fleet()
    one = replica("s/m")
    one.state = ReplicaState.STANDBY
    fleet.apply(Served("s", (one,)))
    model = fleet.find("m")
    assert model is not None
    waiter = Waiter()
    waiting(fleet, model, waiter)
    fleet.apply(Served("s", (one,)))
    assert waiter.woken == 0
    one.state = ReplicaState.ACTIVE
    fleet.apply(Served("s", (one,)))
    assert waiter.woken == 1


def test_a_freed_slot_goes_to_its_own_model_first_and_else_to_others_on_that_server() -> None:
    fleet = Fleet()
    slots = Slots(1)
    slots.in_use = 1
    one, two = replica("s/a", model="a", slots=slots), replica("s/b", model="b", slots=slots)
    fleet.apply(Served("s", (one, two)))
    a, b = fleet.find("a"), fleet.find("b")
    assert a is not None
    assert b is not None

    class Taking(Waiter):
        def wake(self) -> bool | None:
            slots.in_use += 1
            return super().wake()

    of_a, of_b = Taking(), Taking()
    waiting(fleet, b, of_b)
    waiting(fleet, a, of_a)
    for woken in ((1, 0), (1, 1)):
        slots.in_use -= 1
        fleet.freed(one)
        assert (of_a.woken, of_b.woken) == woken


def test_failure_reaches_those_who_wait_unless_another_replica_serves() -> None:
    fleet = Fleet()
    fleet.apply(Served("s", (), offered=("m",)))
    model = fleet.find("m")
    assert model is not None
    waiters = [Waiter(), Waiter()]
    waiting(fleet, model, *waiters)
    fault = EngineDown()
    fleet.apply(Failed("m", fault))
    assert [each.fault for each in waiters] == [fault, fault]
    assert not model.waiting
    fleet.apply(Failed("unknown", fault))
    busy = replica("t/m")
    busy.slots.in_use = 1
    fleet.apply(Served("t", (busy,)))
    patient = Waiter()
    waiting(fleet, model, patient)
    fleet.apply(Failed("m", fault))
    assert patient.fault is None


def test_sources_hear_what_is_wanted() -> None:
    fleet = Fleet()
    wanted: list[str] = []
    fleet.on_wanted(wanted.append)
    fleet.apply(Served("s", (), offered=("m",)))
    model = fleet.find("m")
    assert model is not None
    fleet.want(model)
    assert wanted == ["m"]


def test_a_model_is_described_by_those_who_may_be_chosen_and_stays_described() -> None:
    fleet = Fleet()
    one, two = replica("one/m", context=512), replica("two/m", context=128)
    fleet.apply(Served("one", (one,)))
    fleet.apply(Served("two", (two,)))
    model = fleet.find("m")
    assert model is not None
    assert (model.owner, model.context_length) == ("one", 512)
    one.state = ReplicaState.STANDBY
    fleet.apply(Served("one", (one,)))
    assert (model.owner, model.context_length) == ("two", 128)
    two.state = ReplicaState.STANDBY
    fleet.apply(Served("two", (two,)))
    assert (model.owner, model.context_length) == ("one", 512)
    for source in ("one", "two"):
        fleet.apply(Served(source, ()))
    assert (model.owner, model.context_length) == ("two", 128), "as the last of them told"


def test_thousands_of_models_are_taken_in_at_once() -> None:
    fleet = Fleet()
    many = tuple(replica(f"one/m{number}", model=f"m{number}") for number in range(10_000))
    fleet.apply(Served("one", many))  # looking through all of them for each of them would take minutes
    fleet.apply(Served("one", many[1:]))
    assert len(fleet.offered()) == 9_999


def test_a_source_that_is_gone_serves_nothing_and_is_forgotten() -> None:
    fleet = Fleet()
    fleet.apply(Asking("one"))
    fleet.apply(Served("one", (replica("one/m"),)))
    fleet.apply(Served("two", (replica("two/m"),)))
    fleet.apply(Gone("one"))
    model = fleet.find("m")
    assert model is not None
    assert [each.id for each in model.replicas] == ["two/m"]
    assert fleet.look_up("other") is None
    assert fleet.find("other") is None, "nobody is being asked any more"
    fleet.apply(Gone("two"))
    fleet.apply(Gone("never there"))
    assert model.replicas == ()
    assert not model.is_offered
    assert fleet.find("m") is model, "known, and waited for"


def test_whoever_waits_for_what_only_a_server_that_is_gone_could_have_had_is_told() -> None:
    fleet = Fleet()
    fleet.apply(Served("two", (replica("two/m"),)))
    fleet.apply(Asking("one"))
    model = fleet.find("perhaps")
    assert model is not None
    waiter = Waiter()
    waiting(fleet, model, waiter)
    fleet.apply(Gone("one"))
    assert isinstance(waiter.fault, UnknownModel)


def test_who_cannot_take_what_is_free_keeps_its_place_and_holds_nobody_up() -> None:
    class Choosy(Waiter):
        def wake(self) -> bool | None:
            self.woken += 1
            return False

    fleet = Fleet()
    fleet.apply(Served("s", (), offered=("m",)))
    model = fleet.find("m")
    assert model is not None
    choosy, second, third = Choosy(), Waiter(), Waiter()
    waiting(fleet, model, choosy, second, third)
    one = replica("s/m")
    fleet.apply(Served("s", (one,)))
    assert (choosy.woken, second.woken, third.woken) == (1, 1, 0)
    assert list(model.waiting.order()) == [choosy, third]
    assert fleet.waited_for() == [model]
    for each in (choosy, second, third):
        fleet.dequeue(model, each, 0)
    assert (fleet.waited_for(), fleet.queued) == ([], 0)


class Particular(Waiter):
    """One who takes a slot of these servers alone, if one is free."""

    def __init__(self, *among: Replica) -> None:
        super().__init__(list(among))
        self.wants = tuple(each.id for each in among)
        self.got = ""

    def wake(self) -> bool | None:
        self.woken += 1
        for each in self.takes:
            if each.slots.free:
                each.slots.in_use += 1
                self.got = each.id
                return True
        return False


def one_full(idle: Replica, *others: Replica) -> tuple[Fleet, Model, Replica, Replica]:
    """Replicas of one model, the first of which has no slot left."""
    full = replica("a/m")
    full.slots.in_use = 1
    fleet = Fleet()
    fleet.apply(Served("s", (full, idle, *others)))
    model = fleet.find("m")
    assert model is not None
    return fleet, model, full, idle


def test_many_at_the_front_who_wait_for_one_server_do_not_keep_the_others_from_the_rest() -> None:
    third = replica("c/m")
    third.slots.in_use = 1
    fleet, model, full, idle = one_full(replica("b/m", slots=Slots(3)), third)
    front = [Particular(full) for _ in range(MAX_UNSERVED + 4)]
    behind = [Particular(third), Particular(idle), Particular(third), Particular(full, idle), Particular(idle)]
    waiting(fleet, model, *front, *behind)
    fleet.wake(model)
    assert [each.got for each in behind] == ["", "b/m", "", "b/m", "b/m"]
    assert not any(each.got for each in front)
    assert [each.woken for each in front] == [1] * MAX_UNSERVED + [0] * 4, "those like them are not asked"
    assert [each.woken for each in behind] == [1, 1, 0, 1, 1]
    assert list(model.waiting.order()) == [*front, behind[0], behind[2]], "each has kept its place"


def test_how_many_kinds_are_asked_in_vain_is_bounded() -> None:
    fleet, model, full, idle = one_full(replica("b/m"))
    kinds = [Particular(*[full] * (number + 1)) for number in range(2 * MAX_UNSERVED)]
    last = Particular(idle)
    waiting(fleet, model, *kinds, last)
    fleet.wake(model)
    assert sum(each.woken for each in kinds) == MAX_UNSERVED + 1
    assert not last.got


def test_who_has_left_behind_them_costs_nobody_a_slot() -> None:
    fleet, model, full, idle = one_full(replica("b/m"))
    gone, last = Waiter(waits=False), Particular(idle)
    waiting(fleet, model, *(Particular(full) for _ in range(MAX_UNSERVED)), gone, last)
    fleet.wake(model)
    assert last.got == "b/m"
    assert gone not in list(model.waiting.order())


def servable(model: Model | None) -> list[str]:
    assert model is not None
    return [each.id for each in model.replicas if each.is_routable]


def test_an_alias_of_several_stands_for_the_first_that_can_be_served() -> None:
    fleet = Fleet({"smart": ["big", "small"], "plain": "big"})
    alias = fleet.find("smart")
    assert alias is not None
    assert fleet.find("smart:latest") is alias
    assert (alias.is_offered, alias.replicas, fleet.aliases()) == (False, (), {"smart": "big", "plain": "big"})
    small = replica("s/small", model="small", context=128)
    fleet.apply(Served("s", (small,)))
    assert (servable(alias), fleet.aliases()["smart"], alias.context_length) == (["s/small"], "small", 128)
    assert fleet.meant("smart") is fleet.find("small")
    big = replica("t/big", model="big", context=512)
    fleet.apply(Served("t", (big,)))
    assert (servable(alias), fleet.aliases()["smart"]) == (["t/big", "s/small"], "big")
    big.state = ReplicaState.STANDBY
    fleet.apply(Served("t", (big,)))
    assert fleet.aliases()["smart"] == "small"
    assert fleet.meant("nothing") is None


def test_who_waits_for_an_alias_of_several_is_woken_by_any_of_them_and_fails_with_all() -> None:
    fleet = Fleet({"smart": ["big", "small"]})
    alias = fleet.find("smart")
    assert alias is not None
    first, second = Waiter(), Waiter()
    waiting(fleet, alias, first, second)
    small = replica("s/small", model="small")
    fleet.apply(Served("s", (small,)))
    assert (first.woken, second.woken) == (1, 0)
    small.slots.in_use = 1
    fleet.apply(Failed("big", EngineDown()))
    assert second.fault is None, "the other may still serve it"
    small.slots.in_use = 0
    fleet.freed(small)
    assert second.woken == 1
    fleet.apply(Served("s", ()))
    third = Waiter()
    waiting(fleet, alias, third)
    fleet.apply(Failed("big", EngineDown()))
    assert isinstance(third.fault, EngineDown)


def test_of_several_the_first_that_is_offered_is_wanted() -> None:
    fleet = Fleet({"smart": ["elsewhere", "here"]})
    wanted: list[str] = []
    fleet.on_wanted(wanted.append)
    fleet.apply(Served("local", (), offered=("here",)))
    alias = fleet.find("smart")
    assert alias is not None
    fleet.want(alias)
    assert wanted == ["here"]


def test_names_awaited_at_the_start_are_the_same_with_and_without_their_tag() -> None:
    fleet = Fleet()
    fleet.apply(Asking("one"))
    early = fleet.find("m")
    assert early is not None
    assert fleet.find("m:latest") is early
    waiter = Waiter()
    waiting(fleet, early, waiter)
    fleet.apply(Served("one", (replica("one/m:latest", model="m:latest"),)))
    assert waiter.woken == 1
    fleet.apply(Asked("one"))
    assert (waiter.fault, fleet.find("m")) == (None, early)
    assert early.name == "m:latest"


def test_who_can_no_longer_be_chosen_is_told_once() -> None:
    fleet = Fleet({"mine": "known"})
    left: list[list[str]] = []
    fleet.on_left(lambda ids: left.append(sorted(ids)))
    one, two, wild = replica("s/1"), replica("s/2"), replica("w", model=WILDCARD)
    fleet.apply(Served("s", (one, two)))
    fleet.apply(Served("w", (wild,)))
    assert left == []
    one.state = ReplicaState.STANDBY
    fleet.apply(Served("s", (one, two)))
    fleet.apply(Served("s", (one, two)))
    one.state, two.state = ReplicaState.ACTIVE, ReplicaState.DRAINING
    fleet.apply(Served("s", (one, two)))
    fleet.apply(Gone("s"))
    wild.state = ReplicaState.STANDBY
    fleet.apply(Served("w", (wild,)))
    assert left == [["s/1"], ["s/2"], ["s/1"], ["w", "w/known"]]
    fleet.apply(Gone("s"))


def names_of(model: Model | None) -> list[str]:
    return [] if model is None else [each.id for each in model.replicas]


def test_aliases_change_while_the_gateway_runs() -> None:
    fleet = Fleet({"small": "m", "smart": ["big", "m"]})
    fleet.apply(Served("s", (replica("s/m"), replica("s/new", model="new"))))
    fleet.apply(Aliased({"smart": ("new", "m"), "fresh": ("m",), "soon": ("later",)}))
    assert fleet.find("small") is None
    assert fleet.find("fresh") is fleet.find("m")
    assert names_of(fleet.find("smart")) == ["s/new", "s/m"]
    assert fleet.aliases() == {"smart": "new", "fresh": "m", "soon": "later"}
    assert [model.name for model in fleet.offered()] == ["later", "m", "new"]
    assert fleet.find("big") is not None, "a name once known stays known"
    assert fleet.knows("soon")
    fleet.apply(Aliased({}))
    assert fleet.find("smart") is None
    assert fleet.aliases() == {}


def test_a_server_that_takes_any_name_is_told_the_new_models_name() -> None:
    fleet = Fleet({"mine": "old"})
    fleet.apply(Served("w", (replica("w", model=WILDCARD),)))
    assert names_of(fleet.find("mine")) == ["w/old"]
    fleet.apply(Aliased({"mine": ("new",)}))
    assert names_of(fleet.find("mine")) == ["w/new"]
    assert fleet.find("old") is fleet.find(WILDCARD)


def test_who_waits_by_an_alias_goes_on_waiting_for_what_it_means_now() -> None:
    fleet = Fleet({"smart": ["big", "huge"], "dumb": ["big", "huge"]})
    smart, dumb = fleet.find("smart"), fleet.find("dumb")
    assert smart is not None
    assert dumb is not None
    ahead, behind = Waiter(), Waiter()
    waiting(fleet, smart, ahead)
    waiting(fleet, dumb, behind)
    fleet.apply(Served("s", (replica("s/m"),)))
    assert (ahead.woken, behind.woken) == (0, 0)
    fleet.apply(Aliased({"smart": ("big", "m")}))
    assert (ahead.woken, behind.woken) == (1, 0), "a new meaning may be servable at once"
    fleet.apply(Served("t", (replica("t/huge", model="huge"),)))
    assert behind.woken == 1, "what stands for nothing any more still means what it meant"
    fleet.apply(Failed("big", EngineDown()))


def test_who_waits_by_an_alias_of_several_that_means_one_now_waits_for_that() -> None:
    fleet = Fleet({"smart": ["big", "huge"]})
    smart = fleet.find("smart")
    assert smart is not None
    waiter = Waiter()
    waiting(fleet, smart, waiter)
    fleet.apply(Aliased({"smart": ("m",)}))
    assert fleet.find("smart") is fleet.find("m")
    fleet.apply(Served("s", (replica("s/m"),)))
    assert waiter.woken == 1


def test_what_a_source_tells_of_a_model_stays_known_by_either_name():
    fleet = Fleet({"short": "m"})
    fleet.apply(Served("local", (), ("m:latest",), {"m:latest": Told(size_bytes=5)}))
    model = fleet.meant("short")
    assert model is not None
    assert (model.name, model.told) == ("m", Told(size_bytes=5))
    fleet.apply(Served("other", (replica("o/m"),)))
    assert model.told == Told(size_bytes=5)
    fleet.apply(Served("local", (), ("m:latest",), {"m:latest": Told(size_bytes=6)}))
    assert model.told == Told(size_bytes=6)
