"""Who is chosen where settings say more than the default."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from remuda.core.ask import Ask, Operation
from remuda.fleet.policies.named import AskPolicy
from remuda.fleet.registry import WILDCARD, Model
from remuda.fleet.replica import Replica
from remuda.gateway.choose import Chooser
from remuda.gateway.exchange import NO_FIELDS, Exchange
from tests.unit.fleet.samples import replica

ASK = Ask(Operation.CHAT, "m", False, False, 1, b"{}")


class Asked:
    """As much of an exchange as choosing needs."""

    def __init__(self, model: str = "m", fields: Mapping[bytes, bytes] = NO_FIELDS) -> None:
        self.id = "req_1"
        self.model = model
        self.fields = fields


def asked(**values: Any) -> Exchange:
    return cast(Exchange, Asked(**values))


def at(place: int) -> AskPolicy:
    def choose(candidates: Sequence[Replica], turn: int, ask: Ask) -> Replica:
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

    def choose(candidates: Sequence[Replica], turn: int, ask: Ask) -> Replica:
        told.append(turn)
        return candidates[0]

    Chooser(choose, {}).choose([replica()], Model("m", turn=7), ASK, asked())
    assert told == [7]
