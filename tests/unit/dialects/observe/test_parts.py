"""What was sent, read; and what it cannot be."""

from types import SimpleNamespace
from typing import Any

import pytest

from remuda.core.faults import InvalidRequest
from remuda.core.keys import LOCAL_CALLER, Caller, Scope
from remuda.dialects.observe.parts import HOURS, hours_in, id_in, sees_all, whole


def asked(**query: str) -> Any:
    return SimpleNamespace(query_params=query, path_params=query)


@pytest.mark.parametrize(("said", "hours"), [({}, HOURS), ({"hours": "1"}, 1), ({"hours": "8784"}, 8784)])
def test_hours(said, hours):
    assert hours_in(asked(**said)) == hours


@pytest.mark.parametrize("said", ["0", "-1", "", "1.5", "many", "9" * 30, "87841", "٣"])
def test_no_hours(said):
    with pytest.raises(InvalidRequest) as refused:
        hours_in(asked(hours=said))
    assert refused.value.parameter == "hours"


@pytest.mark.parametrize(("said", "id_"), [("7", 7), ("x", None), ("-7", None), ("9" * 19, None), ("²", None)])
def test_ids(said, id_):
    assert id_in(asked(log_id=said), "log_id") == id_


def test_whole():
    assert whole("12", "n") == 12


def test_who_sees_what_others_asked():
    assert sees_all(LOCAL_CALLER)
    assert sees_all(Caller("k", "k", frozenset({Scope.MANAGE})))
    assert not sees_all(Caller("k", "k", frozenset({Scope.READ, Scope.INFERENCE})))
