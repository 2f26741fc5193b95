from collections import Counter

import pytest

from remuda.fleet.policies.session_affinity import home_of
from tests.unit.fleet.samples import replica

SESSIONS = [f"session-{number}".encode() for number in range(1000)]


def home(session: bytes, names: str) -> str:
    found = home_of(session, [replica(name) for name in names])
    assert found is not None
    return found.id[0]


@pytest.mark.parametrize(
    ("session", "names", "at_home"),
    [
        (b"", "a", "a"),
        (b"x", "a", "a"),
        (b"\xff\0", "a", "a"),
        (b"one", "abcd", "c"),  # pinned: gateways of different versions shall agree
        (b"two", "abcd", "a"),
        (b"three", "abcd", "a"),
    ],
)
def test_the_home_of_a_session(session: bytes, names: str, at_home: str) -> None:
    assert home(session, names) == at_home


def test_without_replicas_nobody_is_at_home_anywhere() -> None:
    assert home_of(b"x", []) is None


def test_the_order_of_replicas_says_nothing() -> None:
    assert all(home(session, "abcd") == home(session, "dbca") for session in SESSIONS)


def test_sessions_are_spread_evenly() -> None:
    counts = Counter(home(session, "abcd") for session in SESSIONS)
    assert set(counts) == set("abcd")
    assert all(200 < count < 300 for count in counts.values())


def test_only_the_sessions_of_a_replica_that_goes_move() -> None:
    moved = [session for session in SESSIONS if home(session, "abcd") != home(session, "abc")]
    assert moved == [session for session in SESSIONS if home(session, "abcd") == "d"]
