"""Which entries a query asks for."""

from types import SimpleNamespace
from typing import Any

import pytest

from remuda.core.faults import Forbidden, InvalidRequest
from remuda.core.keys import LOCAL_CALLER, Caller, Scope
from remuda.dialects.observe.wanted import QUERY, text_in, wanted_in
from remuda.store.journal_reading import JournalFilter

NOW = 1_800_000_000.0
READER = Caller("k", "k", frozenset({Scope.READ}))


def asked(caller: Caller = LOCAL_CALLER, **query: str) -> Any:
    return SimpleNamespace(query_params=query, state=SimpleNamespace(caller=caller))


def wanted(**query: str) -> JournalFilter:
    return wanted_in(asked(**query), NOW, str.lower)


def test_nothing_said():
    assert wanted() == JournalFilter(since=NOW - 86_400, terms=[])


def test_everything_said():
    query = {
        "from": "2027-01-15", "to": "2027-01-16", "model": "M", "replica": "r/m", "key": "", "user": "ann",
        "status": "404", "text": 'llamas "in the Andes"',
    }  # fmt: skip
    assert wanted(**query) == JournalFilter(
        1_799_971_200.0, 1_800_057_600.0, "m", "r/m", "", "ann", 404, terms=["llamas", "in the Andes"]
    )
    assert {field.name for field in QUERY} == {*query, "hours"}


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("success", {"has_failed": False}),
        ("error", {"has_failed": True}),
        ("499", {"status": 499}),
        ("5xx", {"status_class": 5}),
    ],
)
def test_statuses(status, fields):
    assert wanted(status=status) == JournalFilter(since=NOW - 86_400, terms=[], **fields)


@pytest.mark.parametrize(
    "query",
    [
        {"status": "9xx"},
        {"status": "40"},
        {"status": "x" * 900},
        {"status": "4²4"},
        {"model": "m" * 257},
        {"user": "a\x00"},
        {"text": ""},
        {"text": "!"},
        {"text": "a " * 17},
        {"hours": "-1"},
    ],
)
def test_nonsense(query):
    with pytest.raises(InvalidRequest) as refused:
        wanted(**query)
    assert refused.value.parameter in query
    assert len(refused.value.message) < 300


def test_who_reads_sees_only_what_is_its_own():
    assert wanted_in(asked(READER), NOW, str).key_id == "k"
    assert wanted_in(asked(READER, key="k"), NOW, str).key_id == "k"
    with pytest.raises(Forbidden):
        wanted_in(asked(READER, key="other"), NOW, str)


def test_text():
    assert text_in(asked(model="m"), "model") == "m"
    assert text_in(asked(), "model") is None
