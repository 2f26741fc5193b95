"""Rules about replicas."""

import pytest

from remuda.core.suggestion import Change
from remuda.core.traffic import Load
from remuda.insight.facts import Reread
from remuda.insight.replica_rules import few_slots, many_slots, slow_twin, wait_factor, wasted_prefixes
from tests.unit.insight.fact_samples import SETTINGS, facts, placed, readings, traffic


def test_prompts_that_go_to_another_replica():
    wasted = Reread(requests=50, prompt_tokens=10_000, cached_tokens=500, shared_tokens=8000)
    [draft] = wasted_prefixes(facts(traffic(), reread={"m": wasted}, readings=readings()))
    assert draft.expected_gain is not None
    assert (draft.expected_gain.now, draft.expected_gain.then) == (7500, 0)
    assert draft.changes == (Change("routing.policies.m", "least_active", "prefix_affinity"),)
    already = {**SETTINGS, "routing.policies.m": "prefix_affinity"}
    [draft] = wasted_prefixes(facts(traffic(), reread={"m": wasted}, readings=readings(settings=already)))
    assert draft.changes == ()


@pytest.mark.parametrize("well", [Reread(19, 10_000, 0, 8000), Reread(50, 10_000, 1600, 8000)])
def test_few_of_them_or_kept_all_the_same(well):
    assert wasted_prefixes(facts(traffic(), reread={"m": well})) == []


def rate(replica: str, tokens_per_second: float, **sums):
    return traffic(replica=replica, completion_tokens=1000, work_s=1000 / tokens_per_second, **sums)


def test_a_replica_that_is_slower_than_its_twins():
    [draft] = slow_twin(facts(rate("a", 30), rate("b", 10), rate("c", 32), readings=readings()))
    assert (draft.rule, draft.model_name) == ("slow_twin b", "m")
    assert draft.expected_gain is not None
    assert (draft.expected_gain.now, draft.expected_gain.then) == (100.0, pytest.approx(1000 / 31))
    assert draft.changes == (Change("routing.policies.m", "least_active", "lowest_latency"),)
    assert (draft.evidence["filter"]["model"], draft.evidence["filter"]["replica"]) == ("m", "b")
    assert (draft.evidence["tokens_per_second"], draft.evidence["twins_tokens_per_second"]) == (10.0, 31.0)


def test_twins_that_are_alike_or_few_or_none():
    assert slow_twin(facts(rate("a", 30), rate("b", 21))) == []
    assert slow_twin(facts(rate("a", 30), rate("b", 10, requests=19))) == []
    assert slow_twin(facts(rate("a", 10))) == []


def test_requests_that_wait():
    waiting = traffic(waited=40, wait_s=300.0)
    loads = {"r": Load(peak=4, busiest=3.0)}
    [draft] = few_slots(facts(waiting, loads=loads, readings=readings(placed=[placed()])))
    assert draft.changes == (Change("llamacpp.n_parallel", 4, 8),)
    assert draft.expected_gain is not None
    assert draft.expected_gain.now == 3.0
    assert 0 < draft.expected_gain.then < 0.1
    assert (draft.evidence["slots"], draft.evidence["busiest_load"], draft.evidence["waited"]) == (4, 3.0, 40)
    [draft] = few_slots(facts(waiting, loads=loads, readings=readings(placed=[placed(is_local=False)])))
    assert draft.changes == ()
    # All slots were in use all the time.
    [draft] = few_slots(facts(waiting, loads={"r": Load(4, 4.0)}, readings=readings(placed=[placed()])))
    assert draft.expected_gain is not None
    # Nobody knows how many were.
    [draft] = few_slots(facts(waiting, readings=readings(placed=[placed()])))
    assert (draft.expected_gain, draft.potential_improvement) == (None, "")


def test_requests_that_hardly_wait():
    for each in (traffic(waited=9, wait_s=30.0), traffic(requests=19, waited=19, wait_s=30.0)):
        assert few_slots(facts(each, readings=readings(placed=[placed()]))) == []
    assert few_slots(facts(traffic(waited=90, wait_s=300.0))) == []


def test_slots_that_are_never_used_at_once():
    [draft] = many_slots(facts(traffic(), loads={"r": Load(2, 0.1)}, readings=readings(placed=[placed()])))
    assert draft.expected_gain is not None
    assert (draft.expected_gain.now, draft.expected_gain.then) == (4 * 4096, 2 * 4096)
    assert draft.changes == (Change("llamacpp.n_parallel", 4, 2),)


def test_slots_that_are_used_by_some_model():
    both = readings(placed=[placed(), placed(replica="q", model="n")])
    found = facts(traffic(), traffic("n", "q"), loads={"r": Load(1, 0.1), "q": Load(3, 1.0)}, readings=both)
    assert many_slots(found) == []
    for each in (traffic(requests=19), traffic(waited=1, wait_s=2.0)):
        assert many_slots(facts(each, loads={"r": Load(1, 0.1)}, readings=readings(placed=[placed()]))) == []
    elsewhere = readings(placed=[placed(is_local=False)])
    assert many_slots(facts(traffic(), loads={"r": Load(1, 0.1)}, readings=elsewhere)) == []


def test_erlangs_formula():
    # One slot, half in use: the wait is as long as a request. With two slots: load^2 / (4 - load^2).
    assert wait_factor(0.5, 1, 2) == pytest.approx(0.25 / 3.75)
    assert wait_factor(0.0, 1, 2) is None
    assert wait_factor(1.0, 1, 2) is None
