"""Hysteresis: N failures out, M good answers in, and whatever interrupts a row begins it anew."""

import pytest

from remuda.fleet.health import Health, HealthRules


@pytest.mark.parametrize(
    ("failures", "successes", "probes", "states"),
    [
        # x a failure, o a good answer; below each whether the server is up (U) or on standby (s) after it
        (2, 2, "oxox", "UUUU"),
        (2, 2, "xxoo", "UssU"),
        (2, 2, "xxoxoo", "UssssU"),
        (3, 1, "xxoxxxo", "UUUUUsU"),
        (3, 2, "xxxxxoxoo", "UUssssssU"),
        (1, 1, "xoxo", "sUsU"),
        (1, 3, "xooxooo", "ssssssU"),
        (2, 2, "xxooxoxx", "UssUUUUs"),
    ],
)
def test_the_table(failures: int, successes: int, probes: str, states: str):
    rules = HealthRules(failures=failures, successes=successes)
    health = Health()
    seen = ""
    for probe in probes:
        health = health.after(probe == "o", rules)
        seen += "U" if health.is_up else "s"
    assert seen == states


@pytest.mark.parametrize(
    ("health", "chance", "seconds"),
    [
        (Health(), 0.5, 10.0),
        (Health(), 0.0, 8.0),
        (Health(), 0.9999999999, 12.0),
        (Health(is_up=True, against=1), 0.5, 1.0),
        (Health(is_up=False), 0.5, 1.0),
        (Health(is_up=False, against=1), 0.0, 0.8),
    ],
)
def test_one_that_is_in_doubt_is_asked_more_often(health: Health, chance: float, seconds: float):
    rules = HealthRules(every_s=10, again_s=1, jitter=0.2)
    assert health.next_probe_s(rules, lambda: chance) == pytest.approx(seconds)
