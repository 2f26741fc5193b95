"""How long a task waits, by the pace at which others began."""

from remuda.jobs.pace import FORGOTTEN_S, MAX_MODELS, Paces
from remuda.testing.clock import FakeClock


async def test_the_wait_follows_the_pace() -> None:
    clock = FakeClock()
    paces = Paces(clock.monotonic)
    assert paces.eta_s("m", 1) is None
    paces.note("m")
    assert paces.eta_s("m", 1) is None  # of one alone there is no pace
    for _ in range(3):
        await clock.advance(2.0)
        paces.note("m")
    assert (paces.eta_s("m", 1), paces.eta_s("m", 5), paces.eta_s("other", 1)) == (2.0, 10.0, None)
    await clock.advance(10.0)
    paces.note("m")
    slower = paces.eta_s("m", 1)
    assert slower is not None
    assert 2.0 < slower < 10.0


async def test_what_was_long_ago_says_nothing() -> None:
    clock = FakeClock()
    paces = Paces(clock.monotonic)
    for _ in range(2):
        paces.note("m")
    await clock.advance(FORGOTTEN_S + 1.0)
    paces.note("m")
    assert paces.eta_s("m", 1) is None


def test_what_is_remembered_is_bounded_and_what_begins_here_is_told() -> None:
    paces, told = Paces(FakeClock().monotonic), []
    paces.listener = told.append
    for number in range(MAX_MODELS + 1):
        for _ in range(2):
            paces.note(str(number))
    assert (paces.eta_s("0", 1), paces.eta_s("1", 1)) == (None, 0.0)
    paces.began("m")
    assert told == ["m"]
