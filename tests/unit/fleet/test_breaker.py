"""What outcomes and time make of a breaker."""

import pytest

from remuda.fleet.breaker import Breaker, BreakerRules, Phase

RULES = BreakerRules(failures=3, window_s=10, pause_s=1, max_pause_s=5, ramp_s=10)


def play(breaker: Breaker, story: str) -> Breaker:
    """Attempts: `x` fails, `o` is answered, `b` only begins, `a` is abandoned; a number is the time."""
    now = 0.0
    for word in story.split():
        match word:
            case "x":
                breaker.failed(breaker.begun(), now)
            case "o":
                breaker.succeeded(breaker.begun(), now)
            case "b":
                breaker.begun()
            case "a":
                breaker.abandoned(breaker.begun())
            case _:
                now = float(word)
                breaker.tick(now)
    return breaker


@pytest.mark.parametrize(
    ("story", "phase", "allowed"),
    [
        ("", Phase.CLOSED, 16),
        ("x x", Phase.CLOSED, 16),
        ("x x x", Phase.OPEN, 0),
        # only within the window
        ("x x 10 x", Phase.CLOSED, 16),
        ("x 5 x 9 x", Phase.OPEN, 0),
        # only where at least half of all fail
        ("x o x o x", Phase.OPEN, 0),
        ("x o o x o o x o o x", Phase.CLOSED, 16),
        # however many went well long ago
        ("x " + "o " * 50 + "x x x", Phase.OPEN, 0),
        # the pause, and one trial after it
        ("x x x 0.9", Phase.OPEN, 0),
        ("x x x 1", Phase.HALF_OPEN, 1),
        ("x x x 1 b", Phase.TRIAL, 0),
        ("x x x 1 a", Phase.HALF_OPEN, 1),
        ("x x x 1 x", Phase.OPEN, 0),
        # twice as long each time in a row, at most the longest
        ("x x x 1 x 2.9", Phase.OPEN, 0),
        ("x x x 1 x 3", Phase.HALF_OPEN, 1),
        ("x x x 1 x 3 x 7 x 11.9", Phase.OPEN, 0),
        ("x x x 1 x 3 x 7 x 12", Phase.HALF_OPEN, 1),
        # slowly back: by the same factor each second
        ("x x x 1 o", Phase.RAMP, 1),
        ("x x x 1 o 3.5", Phase.RAMP, 2),
        ("x x x 1 o 6", Phase.RAMP, 4),
        ("x x x 1 o 8.5", Phase.RAMP, 8),
        ("x x x 1 o 11", Phase.CLOSED, 16),
        # failing on the way back: the pause goes on growing; once back it begins anew
        ("x x x 1 o 5 x x", Phase.RAMP, 4),
        ("x x x 1 o 5 x x x 6.9", Phase.OPEN, 0),
        ("x x x 1 o 5 x x x 7", Phase.HALF_OPEN, 1),
        ("x x x 1 o 11 x x x 12", Phase.HALF_OPEN, 1),
    ],
)
def test_the_table(story: str, phase: Phase, allowed: int):
    breaker = play(Breaker(RULES), story)
    last = max((float(word) for word in story.split() if word not in "xoba"), default=0.0)
    assert (breaker.phase, breaker.allowed(16, 0, last)) == (phase, allowed)


def test_what_began_before_it_opened_says_nothing_afterwards():
    breaker = Breaker(RULES)
    old = breaker.begun()
    play(breaker, "x x x 1 b")
    breaker.failed(old, 1)
    breaker.failed(0, 1)
    breaker.succeeded(old, 1)
    breaker.abandoned(old)
    assert breaker.phase is Phase.TRIAL
    breaker.succeeded(breaker.mark, 1)
    assert breaker.phase is Phase.RAMP


def test_what_began_before_there_was_a_breaker_counts_while_it_is_closed():
    breaker = Breaker(RULES)
    for _ in range(3):
        breaker.failed(0, 0)
    assert breaker.phase is Phase.OPEN


@pytest.mark.parametrize(("in_use", "allowed"), [(0, 1), (3, 4), (15, 16), (16, 16)])
def test_the_trial_comes_on_top_of_what_still_runs_and_never_beyond_the_size(in_use: int, allowed: int):
    assert play(Breaker(RULES), "x x x 1").allowed(16, in_use, 1) == allowed


def test_its_memory_is_bounded():
    breaker = play(Breaker(RULES), "x " + "o " * 10_000)
    assert len(breaker._outcomes) == 6


def test_with_no_number_of_failures_it_never_opens():
    assert play(Breaker(BreakerRules(failures=0)), "x " * 100).phase is Phase.CLOSED


@pytest.mark.parametrize(
    ("story", "is_over"), [("x", False), ("x o", False), ("x 10", True), ("x x x 500", False), ("o", True)]
)
def test_when_nothing_is_left_to_remember(story: str, is_over: bool):
    breaker = play(Breaker(RULES), story)
    assert breaker.is_over(float(story.split()[-1]) if story[-1].isdigit() else 0.0) is is_over
