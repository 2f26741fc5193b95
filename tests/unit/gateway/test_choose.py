"""Who is chosen where settings say more than the default."""

import logging
from collections.abc import Mapping, Sequence

import pytest

from remuda.core.ask import Ask, Operation
from remuda.core.decision import MAX_TOLD
from remuda.fleet.policies.named import AskPolicy
from remuda.fleet.policies.session_affinity import home_of
from remuda.fleet.registry import WILDCARD, Model
from remuda.fleet.replica import Replica, ReplicaState
from remuda.gateway.choose import MAX_SESSION_BYTES, Chooser
from remuda.gateway.exchange import NO_FIELDS, Exchange
from tests.unit.fleet.samples import replica
from tests.unit.gateway.test_exchange import begun

ASK = Ask(Operation.CHAT, "m", False, False, 1, b"{}")


def asked(model: str = "m", fields: Mapping[bytes, bytes] = NO_FIELDS) -> Exchange:
    exchange, _ = begun()
    exchange.model, exchange.fields = model, fields
    return exchange


def at(place: int) -> AskPolicy:
    def choose(candidates: Sequence[Replica], turn: int, ask: Ask, request_id: str) -> Replica:
        assert ask is ASK
        return candidates[place]

    return choose


@pytest.mark.parametrize(
    ("name", "model", "chosen"),
    [("m", "m", "first"), ("other", "other", "last"), ("other", WILDCARD, "last"), ("new", WILDCARD, "first")],
)
def test_a_model_has_its_own_policy_or_the_usual_one(name: str, model: str, chosen: str) -> None:
    candidates = [replica("first"), replica("last")]
    chooser = Chooser(at(0), {"other": at(-1)})
    choice = chooser.choose(candidates, Model(model, tuple(candidates)), ASK, asked(model=name))
    assert choice.id == f"{chosen}/m"


def test_the_policy_is_told_the_models_turn() -> None:
    told: list[int] = []

    def choose(candidates: Sequence[Replica], turn: int, ask: Ask, request_id: str) -> Replica:
        told.append(turn)
        return candidates[0]

    Chooser(choose, {}).choose([replica()], Model("m", turn=7), ASK, asked())
    assert told == [7]


HERD = tuple(replica(name) for name in "abcd")
HOME = home_of(b"s", HERD)
REST = [each for each in HERD if each is not HOME]


@pytest.mark.parametrize(
    ("header", "fields", "candidates", "is_home"),
    [
        (b"x-session", {b"x-session": b"s"}, HERD, True),
        (b"x-session", {b"x-session": b"s"}, REST, False),  # it is full, or has been tried
        (b"x-session", {b"x-session": b""}, HERD, False),
        (b"x-session", {b"x-other": b"s"}, HERD, False),
        (b"x-session", {b"x-session": b"s" * (MAX_SESSION_BYTES + 1)}, HERD, False),
        (None, {b"x-session": b"s"}, HERD, False),
    ],
)
def test_a_session_goes_home_else_by_the_policy(
    header: bytes | None, fields: Mapping[bytes, bytes], candidates: Sequence[Replica], *, is_home: bool
) -> None:
    def rest(candidates: Sequence[Replica], turn: int, ask: Ask, request_id: str) -> Replica:
        return REST[0]

    chooser = Chooser(rest, {}, affinity_header=header)
    assert chooser.choose(candidates, Model("m", HERD), ASK, asked(fields=fields)) is (HOME if is_home else REST[0])


def test_the_longest_name_of_a_session_is_one() -> None:
    session = b"s" * MAX_SESSION_BYTES
    chooser = Chooser(at(0), {}, affinity_header=b"x-session")
    homes = [chooser.choose(order, Model("m", order), ASK, asked(fields={b"x-session": session})) for order in
             (HERD, HERD[::-1])]  # fmt: skip
    assert homes[0] is homes[1]


def test_a_session_moves_when_its_home_may_not_be_chosen_and_back_when_it_may() -> None:
    herd = tuple(replica(name) for name in "abcd")
    chooser = Chooser(at(-1), {}, affinity_header=b"x-session")

    def choice() -> Replica:
        routable = [each for each in herd if each.is_routable]
        return chooser.choose(routable, Model("m", herd), ASK, asked(fields={b"x-session": b"s"}))

    first = choice()
    first.state = ReplicaState.STANDBY
    assert choice() is not first
    assert choice() is choice()
    first.state = ReplicaState.ACTIVE
    assert choice() is first


NAMES = {"m": "weighted"}


@pytest.mark.parametrize(
    ("fields", "why"), [({}, "a/m by weighted"), ({b"x-session": b"s"}, f"{HOME.id if HOME else ''} by its session")]
)
def test_a_choice_is_explained_in_the_log_where_that_is_wanted(
    fields: dict[bytes, bytes], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "remuda.gateway.choose")
    for is_explained in (False, True):
        chooser = Chooser(at(0), {}, named=NAMES.__getitem__, affinity_header=b"x-session", is_explained=is_explained)
        chooser.choose(HERD, Model("m", HERD), ASK, asked(fields=fields))
    assert caplog.messages == [f"request req_1: {why}, of a/m (0/4), b/m (0/4), c/m (0/4), d/m (0/4)"]


def test_an_explanation_has_an_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "remuda.gateway.choose")
    herd = tuple(replica(str(number)) for number in range(MAX_TOLD + 5))
    Chooser(at(0), {}, is_explained=True).choose(herd, Model("m", herd), ASK, asked())
    [said] = caplog.messages
    assert said.endswith(f"{MAX_TOLD - 1}/m (0/4) and 5 more")


@pytest.mark.parametrize(
    ("candidates", "attempts", "is_explained", "kept"),
    [(2, 0, False, ["weighted"]), (1, 0, False, []), (1, 0, True, ["only"]), (1, 1, False, ["only", "only"])],
)
def test_a_choice_is_kept_where_there_was_one(
    candidates: int, attempts: int, kept: list[str], *, is_explained: bool
) -> None:
    exchange = asked()
    exchange.attempts = attempts
    chooser = Chooser(at(0), {}, named=NAMES.__getitem__, is_explained=is_explained)
    chooser.choose(HERD[:candidates], Model("m", HERD), ASK, exchange)
    assert [decision.by for decision in exchange.decisions] == kept


def test_who_has_failed_is_told_of() -> None:
    failed: list[str] = []
    chooser = Chooser(at(0), {}, on_failed=failed.append)
    exchange = asked()
    chooser.choose(HERD, Model("m", HERD), ASK, exchange)
    assert failed == []
    exchange.attempts, exchange.replica = 1, "a/m"
    chooser.choose(HERD[1:], Model("m", HERD), ASK, exchange)
    assert failed == ["a/m"]
    exchange.attempts, exchange.replica, exchange.head_sent = 2, "b/m", True
    chooser.choose(HERD[2:], Model("m", HERD), ASK, exchange)
    assert failed == ["a/m"], "it had begun to answer"
