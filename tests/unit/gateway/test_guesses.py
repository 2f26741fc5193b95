"""The bound on guessing passwords."""

import pytest

from remuda.core.faults import RateLimited
from remuda.gateway.guesses import MOST, PER_ADDRESS, PER_USER, WINDOW_S, Guesses, network_of
from remuda.testing.clock import FakeClock


def refused(guesses: Guesses, name: str, address: str | None) -> int | None:
    """Seconds to wait; None where a guess was allowed."""
    try:
        guesses.begin(name, address)
    except RateLimited as fault:
        return fault.retry_after_s
    return None


async def test_a_name_is_guessed_at_so_often_from_wherever():
    clock = FakeClock()
    guesses = Guesses(clock.monotonic)
    assert [refused(guesses, "root", f"10.0.0.{n}") for n in range(PER_USER)] == [None] * PER_USER
    await clock.advance(WINDOW_S - 12.5)
    assert refused(guesses, "root", "10.9.9.9") == 13
    assert refused(guesses, "ann", "10.9.9.9") is None
    await clock.advance(12.5)
    assert refused(guesses, "root", "10.9.9.9") is None


async def test_an_address_guesses_so_often_at_whomever():
    clock = FakeClock()
    guesses = Guesses(clock.monotonic)
    assert [refused(guesses, f"user{n}", "10.0.0.1") for n in range(PER_ADDRESS)] == [None] * PER_ADDRESS
    assert refused(guesses, "root", "10.0.0.1") == WINDOW_S
    assert refused(guesses, "root", None) is None, "nobody's address is nobody's"


def test_what_was_right_does_not_count():
    guesses = Guesses(FakeClock().monotonic)
    for _ in range(PER_ADDRESS * 3):
        guesses.begin("root", "10.0.0.1")
        guesses.right("root", "10.0.0.1")
    assert len(guesses) == 0
    for _ in range(PER_USER - 1):
        guesses.begin("root", "10.0.0.1")
    guesses.begin("root", "10.0.0.1")
    guesses.right("root", "10.0.0.1")
    assert refused(guesses, "root", "10.0.0.1") is None
    assert refused(guesses, "root", "10.0.0.1") is not None, "but it does not excuse what was wrong"


async def test_memory_is_bounded_and_given_back():
    clock = FakeClock()
    guesses = Guesses(clock.monotonic)
    for n in range(MOST):
        guesses.begin(f"user{n}", f"10.0.{n >> 8}.{n & 255}")
    assert len(guesses) == MOST
    guesses.begin("x" * 10_000, "y" * 10_000)
    assert max(map(len, guesses._counts)) < 100
    await clock.advance(WINDOW_S)
    guesses.begin("root", "10.0.0.1")
    assert len(guesses) == 2


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("somewhere", "somewhere"),
    ],
)
def test_what_counts_as_one_address(address: str, network: str):
    assert network_of(address) == network
